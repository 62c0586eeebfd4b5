#include "encode/labels_config.h"

#include <string.h>

#include "base/error.h"

/* The class that a key of id2label names; classes if none of them. */
static size_t class_of(const char *key, size_t classes)
{
    size_t number = 0;
    if (key[0] == '\0' || (key[0] == '0' && key[1] != '\0')) return classes;
    for (; *key != '\0'; key++) {
        if (*key < '0' || *key > '9' || number >= classes) return classes;
        number = number * 10 + (size_t)(*key - '0');
    }
    return number < classes ? number : classes;
}

ferry_status ferry_labels_config_read(const cJSON *config, const char *where, size_t classes,
                                      ferry_arena *arena, const char *const **out,
                                      ferry_error *error)
{
    const char *key = "label_names";
    const cJSON *names = ferry_json_get(config, key);
    *out = NULL;
    if (names == NULL) names = ferry_json_get(config, key = "id2label");
    if (names == NULL) return FERRY_OK;
    bool list = cJSON_IsArray(names);
    if ((!list && !cJSON_IsObject(names)) || (size_t)cJSON_GetArraySize(names) != classes)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" does not name %zu classes", where,
                          key, classes);
    const char **labels = ferry_arena_array(arena, classes, sizeof *labels);
    if (labels == NULL) return ferry_fail_memory(error, "the labels");
    const cJSON *name;
    size_t at = 0;
    cJSON_ArrayForEach(name, names)
    {
        size_t i = list ? at++ : class_of(name->string, classes);
        if (i == classes || !cJSON_IsString(name)) continue; /* so that one of them is missing */
        labels[i] = ferry_arena_text(arena, name->valuestring, strlen(name->valuestring));
        if (labels[i] == NULL) return ferry_fail_memory(error, "the labels");
    }
    for (size_t i = 0; i < classes; i++)
        if (labels[i] == NULL)
            return ferry_fail(error, FERRY_MALFORMED, "%s: %s has no \"%zu\"", where, key, i);
    *out = labels;
    return FERRY_OK;
}
