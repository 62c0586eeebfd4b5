#include "input/date.h"

#include <math.h>

#include "input/table.h"

bool ferry_seconds_from_number(const char *text, size_t size, int64_t *out)
{
    double seconds;
    if (!ferry_number_parse(text, size, &seconds) || fabs(seconds) > 1e20) return false;
    while (fabs(seconds) >= 1e11) seconds /= 1000;
    *out = (int64_t)floor(seconds);
    return true;
}

/* A cursor over a date. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool take(cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

/* count digits, a number from low to high. */
static bool take_number(cursor *c, int count, int low, int high, int *out)
{
    *out = 0;
    for (int i = 0; i < count; i++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9') return false;
        *out = 10 * *out + (*c->at++ - '0');
    }
    return *out >= low && *out <= high;
}

static bool take_day(cursor *c, int64_t *days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_number(c, 4, 0, 9999, &year) || !take(c, '-') || !take_number(c, 2, 1, 12, &month) ||
        !take(c, '-') || !take_number(c, 2, 1, 31, &day))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap ? 1 : 0)) return false;

    /* Whole days before the year, 719528 of them before 1970, counting year 0 as a leap year. */
    int last = year - 1;
    int64_t leap_days = year > 0 ? last / 4 - last / 100 + last / 400 + 1 : 0;
    *days = (int64_t)365 * year + leap_days - 719528;
    for (int i = 0; i < month - 1; i++) *days += lengths[i];
    *days += day - 1 + (month > 2 && leap ? 1 : 0);
    return true;
}

static bool take_time(cursor *c, int64_t *seconds)
{
    int hour, minute, second = 0;
    if (!take_number(c, 2, 0, 24, &hour) || !take(c, ':') || !take_number(c, 2, 0, 59, &minute))
        return false;
    if (take(c, ':')) {
        if (!take_number(c, 2, 0, 60, &second)) return false; /* 60: a leap second */
        int digit;
        if (take(c, '.') && !take_number(c, 1, 0, 9, &digit)) return false;
        while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++;
    }
    if (hour == 24 && (minute > 0 || second > 0)) return false;
    *seconds = 3600 * hour + 60 * minute + second;
    return true;
}

static bool take_offset(cursor *c, int64_t *seconds)
{
    if (c->at == c->end || take(c, 'Z')) return true;
    int hour, minute, sign = *c->at == '-' ? -1 : 1;
    if (!take(c, '+') && !take(c, '-')) return false;
    if (!take_number(c, 2, 0, 14, &hour)) return false;
    take(c, ':');
    if (!take_number(c, 2, 0, 59, &minute)) return false;
    *seconds = sign * (3600 * hour + 60 * minute);
    return true;
}

bool ferry_seconds_from_date(const char *text, size_t size, int64_t *out)
{
    cursor c = {text, text + size};
    int64_t days, time = 0, offset = 0;
    if (!take_day(&c, &days)) return false;
    if (take(&c, 'T') || take(&c, ' ')) {
        if (!take_time(&c, &time) || !take_offset(&c, &offset)) return false;
    }
    if (c.at != c.end) return false;
    *out = 86400 * days + time - offset;
    return true;
}
