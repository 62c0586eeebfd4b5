#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

ferry_status ferry_fail(ferry_error *error, ferry_status status, const char *format, ...)
{
    if (error != NULL) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

ferry_status ferry_fail_memory(ferry_error *error, const char *what)
{
    return ferry_fail(error, FERRY_OUT_OF_MEMORY, "out of memory for %s", what);
}

const char *ferry_status_name(ferry_status status)
{
    switch (status) {
#define NAME(name, text) \
    case FERRY_##name:   \
        return #name;
        FERRY_STATUS_LIST(NAME)
#undef NAME
    case FERRY_STATUS_COUNT:
        break;
    }
    return NULL;
}

const char *ferry_status_text(ferry_status status)
{
    switch (status) {
#define TEXT(name, text) \
    case FERRY_##name:   \
        return text;
        FERRY_STATUS_LIST(TEXT)
#undef TEXT
    case FERRY_STATUS_COUNT:
        break;
    }
    return NULL;
}

const char *ferry_version(void)
{
    return FERRY_VERSION;
}
