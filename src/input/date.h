/* Points in time as tables write them, in seconds since 1970-01-01T00:00:00Z. */
#ifndef FERRY_INPUT_DATE_H
#define FERRY_INPUT_DATE_H

#include "ferry/ferry.h"

/*
 * A decimal number of seconds, rounded down; of more than 1e11 in size, of milliseconds,
 * microseconds or nanoseconds. false if it is no such number.
 */
bool ferry_seconds_from_number(const char *text, size_t size, int64_t *out);

/*
 * ISO 8601: YYYY-MM-DD, then perhaps 'T' or a space and hh:mm, perhaps :ss, perhaps .fraction
 * (dropped), perhaps Z, ±hh:mm or ±hhmm. UTC unless it says otherwise. false for anything else and
 * for days and times that do not exist.
 */
bool ferry_seconds_from_date(const char *text, size_t size, int64_t *out);

#endif
