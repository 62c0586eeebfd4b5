/* Different handles in different threads, visitors over one catalogue, one encoder with threads of
 * its own: same results, no races (the tsan build watches). And the pool itself. */
#define _XOPEN_SOURCE 700 /* setrlimit, nanosleep */
#include "failing.h"
#include "golden.h"
#include "small_catalog.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "base/pool.h"

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
    static const ferry_event event = {"f1", "films", FERRY_PURCHASE, 0, 0, NULL};
    ferry_encoder *encoder;
    ferry_visitor *visitor;
    ferry_text text = {"a wooden spoon", 14};
    ferry_recommend_options options = {
        .size = sizeof options, .k = SMALL_ITEMS, .keep_duplicates = true};
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

/* ---- one encoder, several threads ---- */

enum { TEXTS = 40, DIMENSION_MOST = 64 };

/* Short texts and long ones, one alone and all together: what one thread gives. */
static void an_encoder_gives_the_same_with_any_threads(void **state)
{
    (void)state;
    static char letters[600];
    static float expected[TEXTS * DIMENSION_MOST], found[TEXTS * DIMENSION_MOST];
    ferry_text texts[TEXTS];
    for (size_t i = 0; i < sizeof letters; i++) letters[i] = i % 4 == 3 ? ' ' : (char)('a' + i % 7);
    for (size_t i = 0; i < TEXTS; i++) texts[i] = (ferry_text){letters, i * i % sizeof letters};
    for (ferry_precision p = FERRY_PRECISION_F32; p <= FERRY_PRECISION_INT8; p++) {
        for (size_t threads = 1; threads <= 5; threads++) {
            ferry_encoder_options options = {
                .size = sizeof options, .precision = p, .threads = threads};
            ferry_encoder *encoder;
            assert_int_equal(ferry_encoder_open_directory(golden_path("tiny-bert/gelu-mean"),
                                                          &options, &encoder, NULL),
                             FERRY_OK);
            size_t N = ferry_encoder_dimension(encoder);
            assert_true(N <= DIMENSION_MOST);
            float *out = threads == 1 ? expected : found;
            assert_int_equal(ferry_encoder_encode(encoder, texts, TEXTS, out, NULL, NULL, NULL),
                             FERRY_OK);
            assert_memory_equal(out, expected, TEXTS * N * sizeof *out);
            for (size_t i = 0; i < TEXTS; i++) {
                assert_int_equal(
                    ferry_encoder_encode(encoder, texts + i, 1, found, NULL, NULL, NULL), FERRY_OK);
                assert_memory_equal(found, expected + i * N, N * sizeof *found);
            }
            ferry_encoder_close(encoder);
        }
    }
    ferry_encoder_options many = {.size = sizeof many, .threads = FERRY_POOL_MOST + 1};
    ferry_encoder *refused;
    ferry_error error;
    assert_int_equal(
        ferry_encoder_open_directory(golden_path("tiny-bert/gelu-mean"), &many, &refused, &error),
        FERRY_LIMIT);
    assert_null(refused);
}

/* ---- the pool ---- */

enum { MOST_PARTS = 1000 };

typedef struct loop {
    size_t workers;
    unsigned done[MOST_PARTS];    /* how often; plain, so that tsan sees a part done by two */
    uint64_t by[FERRY_POOL_MOST]; /* a worker's own place */
    bool slow;                    /* each part sleeps a little */
} loop;

static void count_part(void *context, size_t index, size_t who)
{
    loop *l = context;
    if (who >= l->workers) abort(); /* cmocka fails in its own thread only */
    l->done[index]++;
    l->by[who] += index;
    if (l->slow) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void check_loop(ferry_pool *pool, size_t parts, bool slow)
{
    static loop l;
    l = (loop){.workers = ferry_pool_threads(pool), .slow = slow};
    ferry_pool_run(pool, parts, count_part, &l);
    uint64_t sum = 0;
    for (size_t i = 0; i < MOST_PARTS; i++) assert_int_equal(l.done[i], i < parts);
    for (size_t w = 0; w < l.workers; w++) sum += l.by[w];
    assert_int_equal(sum, parts * (parts - (parts > 0)) / 2);
}

static void the_pool_does_every_part_once(void **state)
{
    static const size_t threads[] = {0, 1, 2, 4, 9}, parts[] = {0, 1, 2, 3, 8, 100, MOST_PARTS};
    (void)state;
    check_loop(NULL, 10, false);
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        ferry_pool *pool;
        assert_int_equal(ferry_pool_create(NULL, threads[t], &pool, NULL), FERRY_OK);
        assert_int_equal(ferry_pool_threads(pool), threads[t] > 0 ? threads[t] : 1);
        for (int turn = 0; turn < 200; turn++) /* at once, while the threads still look for work */
            for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
                check_loop(pool, parts[p], false);
        for (int turn = 0; turn < 20; turn++) { /* and after they went to sleep */
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
            check_loop(pool, 8, true);
        }
        ferry_pool_close(pool);
    }
    ferry_pool_close(NULL);
}

static void the_pool_fails_clearly(void **state)
{
    (void)state;
    ferry_error error;
    ferry_pool *pool = (void *)&error;
    assert_int_equal(ferry_pool_create(NULL, FERRY_POOL_MOST + 1, &pool, &error), FERRY_LIMIT);
    assert_null(pool);
    assert_non_null(strstr(error.message, "257 threads"));
    failing memory;
    for (size_t left = 0; left < 3; left++) {
        ferry_allocator allocator = failing_allocator(&memory, left);
        ferry_status status = ferry_pool_create(&allocator, 3, &pool, &error);
        assert_int_equal(status, left < 2 ? FERRY_OUT_OF_MEMORY : FERRY_OK);
        if (left == 2) check_loop(pool, 10, false);
        ferry_pool_close(pool);
        assert_int_equal(memory.live, 0);
    }
}

/* With address space for some threads' stacks but not for all: an error, and no thread left over.
 */
static void too_many_threads_are_an_error(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: a sanitizer needs the address space that this limits\n");
    skip();
#endif
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (file == NULL || fscanf(file, "%lu", &pages) != 1) {
        print_message("skipped: no /proc/self/statm\n");
        skip();
    }
    fclose(file);
    struct rlimit tight = before;
    tight.rlim_cur = pages * 4096 + (256u << 20); /* stacks are 8 MB */
    ferry_error error;
    ferry_pool *pool;
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    ferry_status status = ferry_pool_create(NULL, FERRY_POOL_MOST, &pool, &error);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, FERRY_LIMIT);
    assert_null(pool);
    assert_non_null(strstr(error.message, "256 threads: the system started"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_do_not_share_state),
        cmocka_unit_test(an_encoder_gives_the_same_with_any_threads),
        cmocka_unit_test(the_pool_does_every_part_once),
        cmocka_unit_test(the_pool_fails_clearly),
        cmocka_unit_test(too_many_threads_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
