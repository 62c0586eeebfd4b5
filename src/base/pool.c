/* The pool over POSIX threads; pool_wasm.c is the one of the wasm builds. */
#define _POSIX_C_SOURCE 200809L
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Looks before a thread sleeps: some 20 microseconds, more than the serial stretches between the
 * loops of one encoder layer, far less than a scheduler's slice. */
enum { LOOKS = 400, CACHE_LINE = 64 };

typedef struct thread {
    ferry_pool *pool;
    pthread_t id;
    size_t worker;
} thread;

/*
 * `rest` counts the current loop's untaken indices down to 0, and is 0 between loops. Whoever
 * lowers it owns an index, and that alone makes task, context and count stand still: the caller
 * changes them only after `running` has reached 0, which counts the indices that are not done yet.
 */
struct ferry_pool {
    ferry_allocator allocator;
    size_t threads; /* the caller's included */
    size_t started;
    thread *thread; /* [threads - 1] */
    pthread_mutex_t mutex;
    pthread_cond_t work, done;

    ferry_pool_task task;
    void *context;
    size_t count;
    char before_rest[CACHE_LINE];
    atomic_size_t rest;
    char before_running[CACHE_LINE];
    atomic_size_t running;
    atomic_size_t sleepers;    /* workers that wait for `work` */
    atomic_bool caller_sleeps; /* waits for `done` */
    atomic_bool closing;
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Does the loop's parts until none is left to take. */
static void take_parts(ferry_pool *pool, size_t worker)
{
    size_t rest = atomic_load(&pool->rest);
    while (rest > 0) {
        if (!atomic_compare_exchange_weak(&pool->rest, &rest, rest - 1)) continue;
        pool->task(pool->context, pool->count - rest, worker);
        /* Sequentially consistent, as is caller_sleeps: one of the two sees the other. */
        if (atomic_fetch_sub(&pool->running, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
        rest = atomic_load(&pool->rest);
    }
}

static bool has_work(ferry_pool *pool)
{
    return atomic_load(&pool->rest) > 0 || atomic_load(&pool->closing);
}

/* Until there is something to do. */
static void wait_for_work(ferry_pool *pool)
{
    for (int look = 0; look < LOOKS; look++) {
        if (has_work(pool)) return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!has_work(pool)) pthread_cond_wait(&pool->work, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

/* Until the parts that others have taken are done. */
static void wait_until_done(ferry_pool *pool)
{
    for (int look = 0; look < LOOKS; look++) {
        if (atomic_load(&pool->running) == 0) return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->running) > 0) pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *user)
{
    thread *self = user;
    while (!atomic_load(&self->pool->closing)) {
        wait_for_work(self->pool);
        take_parts(self->pool, self->worker);
    }
    return NULL;
}

void ferry_pool_run(ferry_pool *pool, size_t count, ferry_pool_task task, void *context)
{
    if (pool == NULL || pool->threads == 1 || count < 2) {
        for (size_t i = 0; i < count; i++) task(context, i, 0);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->count = count;
    atomic_store(&pool->running, count);
    atomic_store(&pool->rest, count);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
    }
    take_parts(pool, 0);
    wait_until_done(pool);
}

size_t ferry_pool_threads(const ferry_pool *pool)
{
    return pool != NULL ? pool->threads : 1;
}

/* ---- create, close ---- */

/* The threads take no signals: those are the application's. */
static ferry_status start_threads(ferry_pool *pool, ferry_error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = 0;
    while (pool->started + 1 < pool->threads && reason == 0) {
        thread *next = &pool->thread[pool->started];
        *next = (thread){.pool = pool, .worker = pool->started + 1};
        reason = pthread_create(&next->id, NULL, work, next);
        if (reason == 0) pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_LIMIT, "%zu threads: the system started %zu, then: %s",
                      pool->threads, pool->started + 1, strerror(reason));
}

ferry_status ferry_pool_create(const ferry_allocator *allocator, size_t threads, ferry_pool **out,
                               ferry_error *error)
{
    *out = NULL;
    if (threads == 0) threads = 1;
    if (threads > FERRY_POOL_MOST)
        return ferry_fail(error, FERRY_LIMIT, "%zu threads, expected at most %d", threads,
                          FERRY_POOL_MOST);
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    ferry_pool *pool = ferry_allocate(&chosen, 1, sizeof *pool);
    if (pool == NULL) return ferry_fail_memory(error, "the threads");
    pool->allocator = chosen;
    pool->threads = threads;
    pthread_mutex_init(&pool->mutex, NULL); /* these three do not fail with default attributes */
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    ferry_status status = FERRY_OK;
    if (threads > 1) {
        pool->thread = ferry_allocate(&chosen, threads - 1, sizeof *pool->thread);
        status = pool->thread != NULL ? start_threads(pool, error)
                                      : ferry_fail_memory(error, "the threads");
    }
    if (status != FERRY_OK) {
        ferry_pool_close(pool);
        return status;
    }
    *out = pool;
    return FERRY_OK;
}

void ferry_pool_close(ferry_pool *pool)
{
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->closing, true);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->started; i++) pthread_join(pool->thread[i].id, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    ferry_allocator allocator = pool->allocator;
    ferry_release(&allocator, pool->thread, (pool->threads - 1) * sizeof *pool->thread);
    ferry_release(&allocator, pool, sizeof *pool);
}
