#include "input/charsmap.h"

#include <string.h>

#include "base/error.h"

/* ---- base64 ---- */

/* 0…63, or -1 */
static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes into bytes [3 * size / 4]; false unless it is base64, padded or not. */
static bool decode(const char *base64, size_t size, unsigned char *bytes, size_t *count)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (int padding = 0; padding < 2 && size > 0 && base64[size - 1] == '='; padding++) size--;
    *count = 0;
    for (size_t i = 0; i < size; i++) {
        int digit = digit_of(base64[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        bytes[(*count)++] = (unsigned char)(bits >> held);
    }
    return size % 4 != 1;
}

static uint32_t little_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

ferry_status ferry_charsmap_read(const char *base64, size_t size, const char *name,
                                 ferry_arena *arena, ferry_charsmap *out, ferry_error *error)
{
    size_t count;
    unsigned char *bytes = ferry_arena_array(arena, size / 4 + 1, 3);
    if (bytes == NULL) return ferry_fail_memory(error, "the normalisation map");
    if (!decode(base64, size, bytes, &count))
        return ferry_fail(error, FERRY_MALFORMED, "%s: precompiled_charsmap is not base64", name);
    uint32_t array = count >= 4 ? little_endian(bytes) : 0;
    if (array == 0 || array % 4 != 0 || array > count - 4 || count - 4 == array ||
        bytes[count - 1] != '\0')
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: precompiled_charsmap has %zu bytes and says %u of them are its "
                          "array; expected fewer, and texts that end in NUL",
                          name, count, (unsigned)array);
    uint32_t *units = ferry_arena_array(arena, array / 4, sizeof *units);
    if (units == NULL) return ferry_fail_memory(error, "the normalisation map");
    for (size_t i = 0; i < array / 4; i++) units[i] = little_endian(bytes + 4 + 4 * i);
    *out = (ferry_charsmap){units, array / 4, (const char *)bytes + 4 + array, count - 4 - array};
    return FERRY_OK;
}

/* ---- lookup: a unit's offset to its children, its label, whether a key ends there ---- */

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

static uint32_t label_of(uint32_t unit) /* of a value, which no byte is */
{
    return unit & (1u << 31 | 0xFF);
}

static bool is_end(uint32_t unit)
{
    return unit >> 8 & 1;
}

size_t ferry_charsmap_longest(const ferry_charsmap *map, const char *text, size_t size,
                              const char **replacement, size_t *replacement_size)
{
    if (map->unit_count == 0) return 0;
    size_t base = offset_of(map->units[0]), longest = 0, value = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = (unsigned char)text[i];
        size_t at = base ^ byte;
        if (at >= map->unit_count || label_of(map->units[at]) != byte) break;
        base = at ^ offset_of(map->units[at]);
        if (!is_end(map->units[at]) || base >= map->unit_count) continue;
        longest = i + 1;
        value = map->units[base] & ~(1u << 31);
    }
    if (longest == 0 || value >= map->text_size) return 0;
    *replacement = map->texts + value;
    *replacement_size = strlen(*replacement);
    return longest;
}
