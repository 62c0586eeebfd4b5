/* Different handles in different threads, visitors over one catalogue: same results, no races
 * (the tsan build watches). */
#include "golden.h"
#include "small_catalog.h"

#include <pthread.h>

enum { THREADS = 4, TURNS = 20 };

typedef struct worker {
    pthread_t thread;
    const ferry_catalog *catalog; /* shared */
    const char *model;
    float embedding[64];
    ferry_recommendation items[SMALL_ITEMS];
    size_t count;
    ferry_status status;
} worker;

static ferry_status work(worker *self)
{
    static const ferry_event event = {"f1", "films", FERRY_PURCHASE, 0, 0};
    ferry_encoder *encoder;
    ferry_visitor *visitor;
    ferry_text text = {"a wooden spoon", 14};
    ferry_recommend_options options = {.size = sizeof options, .k = SMALL_ITEMS};
    FERRY_TRY(ferry_encoder_open_directory(self->model, NULL, &encoder, NULL));
    ferry_status status =
        ferry_encoder_encode(encoder, &text, 1, self->embedding, NULL, NULL, NULL);
    ferry_encoder_close(encoder);
    FERRY_TRY(status);
    FERRY_TRY(ferry_visitor_create(self->catalog, &visitor, NULL));
    status = ferry_visitor_add(visitor, &event, NULL);
    if (status == FERRY_OK)
        status = ferry_visitor_recommend(visitor, &options, self->items, &self->count, NULL, NULL);
    ferry_visitor_close(visitor);
    return status;
}

static void *run(void *user)
{
    worker *self = user;
    for (int turn = 0; turn < TURNS && self->status == FERRY_OK; turn++) self->status = work(self);
    return NULL;
}

static void handles_do_not_share_state(void **state)
{
    (void)state;
    small_catalog small;
    ferry_catalog *catalog;
    static worker workers[THREADS];
    small_catalog_make(&small);
    assert_int_equal(ferry_catalog_open(small.files, SMALL_FILES, NULL, &catalog, NULL), FERRY_OK);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].catalog = catalog;
        workers[i].model = golden_path("tiny-bert/relu-max");
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].status, FERRY_OK);
        assert_memory_equal(workers[i].embedding, workers[0].embedding,
                            sizeof workers[0].embedding);
        assert_int_equal(workers[i].count, SMALL_ITEMS - 1);
        for (size_t k = 0; k < workers[i].count; k++)
            assert_int_equal(workers[i].items[k].item, workers[0].items[k].item);
    }
    ferry_catalog_close(catalog);
    small_catalog_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(handles_do_not_share_state)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
