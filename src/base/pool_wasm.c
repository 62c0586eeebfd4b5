/*
 * The pool of the wasm builds: memory shared with helper workers, atomics and
 * memory.atomic.wait32/notify; without -matomics a plain loop.
 */
#include "base/pool_wasm.h"

#include "base/error.h"
#include "base/memory.h"

struct ferry_pool {
    ferry_allocator allocator;
    size_t threads; /* 1, or the crew's */
};

#if defined(__wasm_atomics__)
#include <stdatomic.h>

/* Looks before a thread sleeps: some 20 microseconds, more than the serial stretches between the
 * loops of an encoder. */
enum { LOOKS = 2000 };
enum { CACHE_LINE = 64 };
static const long long SECOND = 1000000000;
/* Seconds in which nothing ends: waited one by one, so that a page that was frozen as a whole loses
 * one of them, not all. */
enum { PATIENCE = 30, PATIENCE_AT_START = 5 };

/*
 * `rest` counts the current loop's untaken indices down to 0, and is 0 between loops. Whoever
 * lowers it owns an index, and that alone makes task, context and count stand still: the caller
 * changes them only after `running`, the indices that are not done yet, has reached 0. `bell` is
 * another number for every loop; sleeping helpers wait for it to change.
 */
static struct crew {
    size_t threads; /* helpers and the caller; 0 before there are any */
    ferry_pool_task task;
    void *context;
    size_t count;
    _Alignas(CACHE_LINE) _Atomic uint32_t rest;
    _Alignas(CACHE_LINE) _Atomic int32_t running;
    _Alignas(CACHE_LINE) _Atomic int32_t bell;
    _Atomic int32_t sleepers;
    _Atomic bool caller_sleeps, broken;
} crew;

static bool wait_on(_Atomic int32_t *at, int32_t value, long long timeout)
{
    enum { TIMED_OUT = 2 };
    return __builtin_wasm_memory_atomic_wait32((int *)at, value, timeout) != TIMED_OUT;
}

/*
 * False after `timeout` nanoseconds (negative: never) in which *at stayed what it was. Called
 * through a pointer that no optimiser follows: where the instruction stands in a loop, code of
 * V8 11's baseline compiler (Node 20) went round it without waiting, for ever.
 */
static bool (*volatile sleep_while)(_Atomic int32_t *, int32_t, long long) = wait_on;

static void wake(_Atomic int32_t *at)
{
    __builtin_wasm_memory_atomic_notify((int *)at, UINT32_MAX);
}

/* Does the loop's parts until none is left to take. */
static void take_parts(size_t worker)
{
    uint32_t rest = atomic_load(&crew.rest);
    while (rest > 0) {
        if (!atomic_compare_exchange_weak(&crew.rest, &rest, rest - 1)) continue;
        crew.task(crew.context, crew.count - rest, worker);
        /* Sequentially consistent, as is caller_sleeps: one of the two sees the other. */
        if (atomic_fetch_sub(&crew.running, 1) == 1 && atomic_load(&crew.caller_sleeps))
            wake(&crew.running);
        rest = atomic_load(&crew.rest);
    }
}

void ferry_pool_help(size_t worker)
{
    for (;;) {
        int32_t bell = atomic_load(&crew.bell);
        take_parts(worker);
        for (int look = 0; look < LOOKS && atomic_load(&crew.bell) == bell; look++) continue;
        if (atomic_load(&crew.bell) != bell) continue;
        atomic_fetch_add(&crew.sleepers, 1);
        sleep_while(&crew.bell, bell, -1); /* not at all if it rang meanwhile */
        atomic_fetch_sub(&crew.sleepers, 1);
    }
}

void ferry_pool_helper_died(void)
{
    atomic_store(&crew.broken, true);
    wake(&crew.running);
}

/* Waits for the parts that helpers have taken; false if one of them does not come to an end. */
static bool wait_until_done(int patience)
{
    for (int look = 0; look < LOOKS; look++)
        if (atomic_load(&crew.running) == 0) return true;
    atomic_store(&crew.caller_sleeps, true);
    int32_t running;
    int seconds = 0;
    while ((running = atomic_load(&crew.running)) > 0) {
        if (atomic_load(&crew.broken) || seconds == patience) break;
        bool idle = !sleep_while(&crew.running, running, SECOND);
        seconds = idle && atomic_load(&crew.running) == running ? seconds + 1 : 0;
    }
    atomic_store(&crew.caller_sleeps, false);
    return running == 0;
}

static void begin(size_t count, ferry_pool_task task, void *context)
{
    crew.task = task;
    crew.context = context;
    crew.count = count;
    atomic_store(&crew.running, (int32_t)count);
    atomic_store(&crew.rest, (uint32_t)count);
    atomic_fetch_add(&crew.bell, 1);
    if (atomic_load(&crew.sleepers) > 0) wake(&crew.bell);
}

size_t ferry_pool_crew(void)
{
    return crew.threads > 0 ? crew.threads : 1;
}

/* ---- enlisting ---- */

typedef struct meeting {
    size_t threads;
    _Atomic int32_t arrived;
    _Atomic bool missed;            /* somebody waited in vain */
    uint32_t seen[FERRY_POOL_MOST]; /* by worker: how often it took a part */
} meeting;

static void meet(void *context, size_t index, size_t worker)
{
    (void)index;
    meeting *all = context;
    all->seen[worker]++;
    int32_t here = atomic_fetch_add(&all->arrived, 1) + 1;
    wake(&all->arrived);
    for (int seconds = 0; here < (int32_t)all->threads && !atomic_load(&all->missed);
         here = atomic_load(&all->arrived)) {
        if (sleep_while(&all->arrived, here, SECOND)) continue;
        if (++seconds == PATIENCE_AT_START) atomic_store(&all->missed, true);
    }
}

ferry_status ferry_pool_enlist(size_t helpers, ferry_error *error)
{
    static meeting all; /* a helper that comes late must not find another's stack here */
    all = (meeting){.threads = helpers + 1};
    if (helpers >= FERRY_POOL_MOST || helpers == 0 || crew.threads > 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%zu helpers", helpers);
    begin(all.threads, meet, &all);
    take_parts(0);
    bool well = wait_until_done(PATIENCE_AT_START);
    for (size_t i = 0; well && i < all.threads; i++) well = all.seen[i] == 1;
    if (!well)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%zu helper workers did not take part",
                          helpers);
    crew.threads = all.threads;
    return FERRY_OK;
}

#else

size_t ferry_pool_crew(void)
{
    return 1;
}

ferry_status ferry_pool_enlist(size_t helpers, ferry_error *error)
{
    return ferry_fail(error, FERRY_UNSUPPORTED, "%zu helpers in a build without threads", helpers);
}
#endif

/* ---- the pool ---- */

void ferry_pool_run(ferry_pool *pool, size_t count, ferry_pool_task task, void *context)
{
#if defined(__wasm_atomics__)
    if (pool != NULL && pool->threads > 1 && count > 1) {
        begin(count, task, context);
        take_parts(0);
        if (!wait_until_done(PATIENCE)) __builtin_trap(); /* a helper died in the middle */
        return;
    }
#endif
    (void)pool;
    for (size_t i = 0; i < count; i++) task(context, i, 0);
}

size_t ferry_pool_threads(const ferry_pool *pool)
{
    return pool != NULL ? pool->threads : 1;
}

ferry_status ferry_pool_create(const ferry_allocator *allocator, size_t threads, ferry_pool **out,
                               ferry_error *error)
{
    *out = NULL;
    if (threads == 0) threads = 1;
    if (threads != 1 && threads != ferry_pool_crew())
        return ferry_fail(error, FERRY_LIMIT, "%zu threads, expected 1 or the module's %zu",
                          threads, ferry_pool_crew());
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    ferry_pool *pool = ferry_allocate(&chosen, 1, sizeof *pool);
    if (pool == NULL) return ferry_fail_memory(error, "the threads");
    *pool = (ferry_pool){chosen, threads};
    *out = pool;
    return FERRY_OK;
}

void ferry_pool_close(ferry_pool *pool)
{
    if (pool == NULL) return;
    ferry_allocator allocator = pool->allocator;
    ferry_release(&allocator, pool, sizeof *pool);
}
