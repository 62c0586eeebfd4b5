/* A tokenizer.json's NFC, Lowercase, Replace and Strip into a ferry_text_normalizer. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "input/tokenizer_parts.h"

static bool is_punctuation(char c)
{
    return c > ' ' && c < 0x7F && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL;
}

/* A regular expression "[…]" of nothing but ASCII punctuation, escaped where it could mean
 * something else, into `dropped`. */
static bool read_class(const char *regex, bool dropped[128])
{
    size_t size = strlen(regex);
    if (size < 3 || regex[0] != '[' || regex[size - 1] != ']') return false;
    for (size_t i = 1; i + 1 < size; i++) {
        bool escaped = regex[i] == '\\';
        if (!escaped && strchr("^-[]&", regex[i]) != NULL) return false;
        i += escaped;
        if (i + 1 >= size || !is_punctuation(regex[i])) return false;
        dropped[(unsigned char)regex[i]] = true;
    }
    return true;
}

static bool read_replace(const cJSON *step, ferry_text_normalizer *out)
{
    const cJSON *pattern = ferry_json_get(step, "pattern");
    const cJSON *content = ferry_json_get(step, "content");
    const cJSON *regex = cJSON_IsObject(pattern) ? ferry_json_get(pattern, "Regex") : NULL;
    const cJSON *string = cJSON_IsObject(pattern) ? ferry_json_get(pattern, "String") : NULL;
    if (!cJSON_IsString(content)) return false;
    if (cJSON_IsString(regex) && strcmp(regex->valuestring, "\\s+") == 0 &&
        strcmp(content->valuestring, " ") == 0)
        return out->folds_spaces = true;
    /* What is dropped must be so before spaces are looked at: it may stand between two. */
    if (content->valuestring[0] != '\0' || out->folds_spaces || out->strips) return false;
    if (cJSON_IsString(regex)) return out->drops = read_class(regex->valuestring, out->dropped);
    if (!cJSON_IsString(string) || strlen(string->valuestring) != 1 ||
        !is_punctuation(string->valuestring[0]))
        return false;
    out->dropped[(unsigned char)string->valuestring[0]] = true;
    return out->drops = true;
}

bool ferry_tokenizer_read_text_step(const cJSON *step, ferry_text_normalizer *out)
{
    if (ferry_tokenizer_is_type(step, "NFC"))
        return ferry_text_normalizer_is_plain(out) && (out->nfc = true); /* the first */
    if (ferry_tokenizer_is_type(step, "Lowercase")) return out->lowercase = true;
    if (ferry_tokenizer_is_type(step, "Replace")) return read_replace(step, out);
    return ferry_tokenizer_is_type(step, "Strip") &&
           cJSON_IsTrue(ferry_json_get(step, "strip_left")) &&
           cJSON_IsTrue(ferry_json_get(step, "strip_right")) && (out->strips = true);
}

ferry_status ferry_tokenizer_read_text_normalizer(ferry_tokenizer *tokenizer,
                                                  const ferry_file *json, const cJSON *part,
                                                  ferry_error *error)
{
    if (part == NULL) return FERRY_OK; /* text as it is */
    if (!ferry_tokenizer_is_type(part, "Sequence"))
        return ferry_tokenizer_read_text_step(part, &tokenizer->text_normalizer)
                   ? FERRY_OK
                   : ferry_tokenizer_refuse(json, "normalizer", part, error);
    const cJSON *step;
    cJSON_ArrayForEach(step, ferry_json_get(part, "normalizers")) if (
        !ferry_tokenizer_read_text_step(
            step, &tokenizer->text_normalizer)) return ferry_tokenizer_refuse(json, "normalizer",
                                                                              step, error);
    return FERRY_OK;
}
