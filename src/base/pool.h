/*
 * Threads that share the parts of a loop. Indices are taken one by one from a counter, so a thread
 * that the machine holds up takes fewer of them, and the caller takes its part. Who has nothing to
 * do looks for work for some microseconds and then sleeps: beside a busy neighbour the pool gives
 * up its core instead of burning it.
 *
 * The parts of one loop write to different places and each does its own sums in its own order, so
 * the result is the same with any number of threads.
 */
#ifndef FERRY_BASE_POOL_H
#define FERRY_BASE_POOL_H

#include "ferry/ferry.h"

enum { FERRY_POOL_MOST = 256 /* threads */ };

typedef struct ferry_pool ferry_pool;

/* One part of a loop: index in [0, count); worker in [0, threads): whose scratch it may use. */
typedef void (*ferry_pool_task)(void *context, size_t index, size_t worker);

/*
 * threads counts the caller; 0 and 1 are a pool without threads of its own. LIMIT above
 * FERRY_POOL_MOST, or if the system starts no more threads: never quietly fewer than asked for.
 */
ferry_status ferry_pool_create(const ferry_allocator *allocator, size_t threads, ferry_pool **out,
                               ferry_error *error);
void ferry_pool_close(ferry_pool *pool);           /* NULL is fine */
size_t ferry_pool_threads(const ferry_pool *pool); /* NULL: 1 */

/*
 * Runs task for every index in [0, count), on any thread, in any order; returns when all have
 * ended, and what they wrote is then visible. pool NULL: here, in order. One loop at a time: a task
 * must not run another on the same pool.
 */
void ferry_pool_run(ferry_pool *pool, size_t count, ferry_pool_task task, void *context);

#endif
