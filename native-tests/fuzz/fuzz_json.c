/* JSON in, printed, and read again: the same tree, whatever the first text was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_error error;
    cJSON *tree, *again;
    if (ferry_json_parse((const char *)data, size, "fuzz.json", &tree, &error) != FERRY_OK) {
        if (tree != NULL || error.message[0] == '\0') abort();
        return 0;
    }
    ferry_buffer first, second;
    ferry_buffer_init(&first, ferry_allocator_or_default(NULL));
    ferry_buffer_init(&second, ferry_allocator_or_default(NULL));
    if (!ferry_json_append(&first, tree)) abort();
    if (ferry_json_parse(first.data, first.size, "again.json", &again, &error) != FERRY_OK) abort();
    if (!ferry_json_append(&second, again)) abort();
    if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0) abort();
    cJSON_Delete(again);
    cJSON_Delete(tree);
    ferry_buffer_free(&second);
    ferry_buffer_free(&first);
    return 0;
}
