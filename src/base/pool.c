#include "base/pool.h"

/* Without threads: every loop runs here, in order. */
ferry_status ferry_pool_create(const ferry_allocator *allocator, size_t threads, ferry_pool **out,
                               ferry_error *error)
{
    (void)allocator, (void)threads, (void)error;
    *out = NULL;
    return FERRY_OK;
}

void ferry_pool_close(ferry_pool *pool)
{
    (void)pool;
}

size_t ferry_pool_threads(const ferry_pool *pool)
{
    (void)pool;
    return 1;
}

void ferry_pool_run(ferry_pool *pool, size_t count, ferry_pool_task task, void *context)
{
    (void)pool;
    for (size_t i = 0; i < count; i++) task(context, i, 0);
}
