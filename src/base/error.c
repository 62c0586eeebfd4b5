#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message that was cut may end inside a UTF-8 character: such an end goes too. */
static void drop_cut_character(char *message)
{
    size_t size = strlen(message), start = size;
    while (start > 0 && ((unsigned char)message[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0) return;
    unsigned lead = (unsigned char)message[start - 1];
    size_t expected = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (size - start < expected) message[start - 1] = '\0';
}

ferry_status ferry_fail(ferry_error *error, ferry_status status, const char *format, ...)
{
    if (error != NULL) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        int size = vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        if (size >= (int)sizeof error->message) drop_cut_character(error->message);
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
    case FERRY_##name: return #name;
        FERRY_STATUS_LIST(NAME)
#undef NAME
    case FERRY_STATUS_COUNT: break;
    }
    return NULL;
}

const char *ferry_status_text(ferry_status status)
{
    switch (status) {
#define TEXT(name, text) \
    case FERRY_##name: return text;
        FERRY_STATUS_LIST(TEXT)
#undef TEXT
    case FERRY_STATUS_COUNT: break;
    }
    return NULL;
}

const char *ferry_version(void)
{
    return FERRY_VERSION;
}

void ferry_list_name(char *list, size_t size, const char *name)
{
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}
