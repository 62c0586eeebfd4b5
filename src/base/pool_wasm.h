/*
 * The helpers of a wasm module: threads that JavaScript started, each with an instance of this
 * module on the same memory and a stack of its own. There is one crew a module, which every pool
 * of more than one thread uses. Only builds with atomics have one.
 */
#ifndef FERRY_BASE_POOL_WASM_H
#define FERRY_BASE_POOL_WASM_H

#include "base/pool.h"

/* The helper's life, on its own thread: works on loops until its worker is terminated. Helpers are
 * numbered from 1. */
void ferry_pool_help(size_t worker);

/* Says, on whichever thread hears of it, that a helper died: a loop it was part of then traps,
 * instead of waiting for ever. */
void ferry_pool_helper_died(void);

/*
 * Makes `helpers` of them the crew once they are found to work: a loop whose every part waits for
 * all the others can only end if each thread takes one. UNSUPPORTED if that does not happen within
 * some seconds, or without atomics; there is no crew then.
 */
ferry_status ferry_pool_enlist(size_t helpers, ferry_error *error);

/* Helpers and the caller: 1 without a crew. */
size_t ferry_pool_crew(void);

#endif
