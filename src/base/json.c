#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/error.h"
#include "base/json_check.h"

ferry_status ferry_json_parse(const char *text, size_t size, const char *name, cJSON **out,
                              ferry_error *error)
{
    *out = NULL;
    FERRY_TRY(ferry_json_check(text, size, name, error));
    *out = cJSON_ParseWithLength(text, size);
    return *out != NULL ? FERRY_OK : ferry_fail_memory(error, name);
}

const cJSON *ferry_json_get(const cJSON *object, const char *key)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(field) ? NULL : field;
}

static ferry_status wrong_type(const char *where, const char *key, const cJSON *field,
                               const char *expected, ferry_error *error)
{
    const char *found = cJSON_IsString(field)   ? "a string"
                        : cJSON_IsNumber(field) ? "another number"
                        : cJSON_IsBool(field)   ? "a boolean"
                        : cJSON_IsArray(field)  ? "an array"
                                                : "an object";
    return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is %s, expected %s", where, key, found,
                      expected);
}

ferry_status ferry_json_size(const cJSON *object, const char *key, const char *where, size_t max,
                             size_t *out, ferry_error *error)
{
    const cJSON *field = ferry_json_get(object, key);
    if (field == NULL) return FERRY_OK;
    double value = field->valuedouble;
    if (!cJSON_IsNumber(field) || !(value >= 0) || value != floor(value))
        return wrong_type(where, key, field, "a whole number from 0", error);
    if (value > (double)max)
        return ferry_fail(error, FERRY_LIMIT, "%s: \"%s\" is %.0f, the limit is %zu", where, key,
                          value, max);
    *out = (size_t)value;
    return FERRY_OK;
}

ferry_status ferry_json_size_required(const cJSON *object, const char *key, const char *where,
                                      size_t max, size_t *out, ferry_error *error)
{
    if (ferry_json_get(object, key) == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is missing", where, key);
    return ferry_json_size(object, key, where, max, out, error);
}

ferry_status ferry_json_number(const cJSON *object, const char *key, const char *where, double *out,
                               ferry_error *error)
{
    const cJSON *field = ferry_json_get(object, key);
    if (field == NULL) return FERRY_OK;
    if (!cJSON_IsNumber(field) || !isfinite(field->valuedouble))
        return wrong_type(where, key, field, "a finite number", error);
    *out = field->valuedouble;
    return FERRY_OK;
}

ferry_status ferry_json_bool(const cJSON *object, const char *key, const char *where, bool *out,
                             ferry_error *error)
{
    const cJSON *field = ferry_json_get(object, key);
    if (field == NULL) return FERRY_OK;
    if (!cJSON_IsBool(field)) return wrong_type(where, key, field, "true or false", error);
    *out = cJSON_IsTrue(field) != 0;
    return FERRY_OK;
}

ferry_status ferry_json_string(const cJSON *object, const char *key, const char *where,
                               const char **out, ferry_error *error)
{
    const cJSON *field = ferry_json_get(object, key);
    if (field == NULL) return FERRY_OK;
    if (!cJSON_IsString(field)) return wrong_type(where, key, field, "a string", error);
    *out = field->valuestring;
    return FERRY_OK;
}

cJSON *ferry_json_from_float(float value)
{
    char digits[32];
    if (!isfinite(value)) return NULL;
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        char *comma = strchr(digits, ','); /* a host application may have set another locale */
        if (comma != NULL) *comma = '.';
        if ((float)ferry_decimal_strtod(digits, NULL) == value) break; /* as it is read */
    }
    return cJSON_CreateRaw(digits);
}

bool ferry_json_add(cJSON *object, const char *name, cJSON *value)
{
    if (object != NULL && value != NULL && cJSON_AddItemToObject(object, name, value)) return true;
    cJSON_Delete(value);
    return false;
}

bool ferry_json_add_to_array(cJSON *array, cJSON *value)
{
    if (array != NULL && value != NULL && cJSON_AddItemToArray(array, value)) return true;
    cJSON_Delete(value);
    return false;
}

bool ferry_json_append(ferry_buffer *buffer, const cJSON *tree)
{
    char *text = cJSON_PrintUnformatted(tree);
    if (text == NULL) return false;
    bool appended = ferry_buffer_append(buffer, text, strlen(text));
    cJSON_free(text);
    return appended;
}
