#include "recsys/tfidf.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"

/* ---- terms by number ---- */

enum { NO_TERM = UINT32_MAX };

typedef struct vocabulary {
    ferry_arena arena;   /* the terms' texts */
    ferry_buffer texts;  /* const char *[count] */
    ferry_buffer slots;  /* uint32_t, a power of two of them, NO_TERM where free */
    ferry_buffer word;   /* the one being read, lower-cased, NUL behind it */
    ferry_buffer stream; /* uint32_t: every item's terms, one after the other */
    size_t count;
} vocabulary;

static void vocabulary_init(vocabulary *v, ferry_allocator allocator)
{
    *v = (vocabulary){0};
    ferry_arena_init(&v->arena, allocator);
    ferry_buffer_init(&v->texts, allocator);
    ferry_buffer_init(&v->slots, allocator);
    ferry_buffer_init(&v->word, allocator);
    ferry_buffer_init(&v->stream, allocator);
}

static void vocabulary_free(vocabulary *v)
{
    ferry_arena_free(&v->arena);
    ferry_buffer_free(&v->texts);
    ferry_buffer_free(&v->slots);
    ferry_buffer_free(&v->word);
    ferry_buffer_free(&v->stream);
}

static const char *text_of(const vocabulary *v, size_t term)
{
    const char *text;
    memcpy(&text, v->texts.data + term * sizeof text, sizeof text);
    return text;
}

/* The slot of the text: its own, or the free one where it belongs. */
static uint32_t *find_slot(const vocabulary *v, const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = text; *c != '\0'; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    size_t most = v->slots.size / sizeof(uint32_t) - 1;
    uint32_t *slots = (uint32_t *)(void *)v->slots.data;
    size_t at = hash & most;
    while (slots[at] != NO_TERM && strcmp(text_of(v, slots[at]), text) != 0) at = (at + 1) & most;
    return &slots[at];
}

/* Room for one more term with half the slots free. */
static bool grow_slots(vocabulary *v)
{
    size_t slots = v->slots.size / sizeof(uint32_t);
    if (slots > 2 * (v->count + 1)) return true;
    size_t more = slots == 0 ? 1024 : 2 * slots;
    v->slots.size = 0;
    if (!ferry_buffer_reserve(&v->slots, more * sizeof(uint32_t))) return false;
    v->slots.size = more * sizeof(uint32_t);
    memset(v->slots.data, 0xFF, v->slots.size);
    for (size_t term = 0; term < v->count; term++) *find_slot(v, text_of(v, term)) = (uint32_t)term;
    return true;
}

/* Appends the term that stands in v->word to the stream, and empties the word. */
static bool end_word(vocabulary *v)
{
    if (!ferry_buffer_append(&v->word, "", 1) || !grow_slots(v)) return false;
    uint32_t *slot = find_slot(v, v->word.data);
    if (*slot == NO_TERM) {
        const char *copy = ferry_arena_text(&v->arena, v->word.data, v->word.size - 1);
        if (copy == NULL || v->count == NO_TERM - 1 ||
            !ferry_buffer_append(&v->texts, &copy, sizeof copy))
            return false;
        *slot = (uint32_t)v->count++;
    }
    v->word.size = 0;
    return ferry_buffer_append(&v->stream, slot, sizeof *slot);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The words of text; at most `most` of them. */
static bool add_words(vocabulary *v, const char *text, size_t most)
{
    for (; most > 0 && *text != '\0'; text++) {
        char c = lower(*text), next = lower(text[1]);
        if (!is_word(c)) continue;
        if (!ferry_buffer_append(&v->word, &c, 1)) return false;
        if (is_word(next)) continue;
        if (!end_word(v)) return false;
        most--;
    }
    return true;
}

/* The whole text as one term, which no word can be as it begins with "b_". */
static bool add_whole(vocabulary *v, const char *text)
{
    if (text[0] == '\0') return true;
    if (!ferry_buffer_append(&v->word, "b_", 2)) return false;
    for (; *text != '\0'; text++) {
        char c = lower(*text);
        if (!ferry_buffer_append(&v->word, &c, 1)) return false;
    }
    return end_word(v);
}

/* ---- items as terms ---- */

static bool add_item(vocabulary *v, const ferry_item *item, unsigned fields)
{
    bool ok = (fields & FERRY_TERMS_TITLE) == 0 || add_words(v, item->title, SIZE_MAX);
    for (size_t i = 0; (fields & FERRY_TERMS_TAGS) != 0 && i < item->tag_count && ok; i++)
        ok = add_words(v, item->tags[i], SIZE_MAX);
    if ((fields & FERRY_TERMS_AUTHOR) != 0)
        ok = ok && add_whole(v, item->author) && add_whole(v, item->author);
    return ok;
}

static bool same_letters(const char *text, const char *lower_text)
{
    for (; *text != '\0' && lower(*text) == *lower_text; text++, lower_text++) {
    }
    return *text == *lower_text;
}

/* The first word between white space of the title, as a whole term. */
static bool add_author(vocabulary *v, const ferry_item *item)
{
    if (item->author[0] != '\0' && !same_letters(item->author, "unknown"))
        return add_whole(v, item->author);
    const char *title = item->title + strspn(item->title, " \t\r\n\f\v");
    size_t size = strcspn(title, " \t\r\n\f\v");
    char *first = ferry_arena_text(&v->arena, title, size);
    return first != NULL && add_whole(v, first);
}

typedef struct builder {
    vocabulary words;
    uint32_t *begins; /* [n + 1] of each item in the stream */
    uint32_t *count;  /* [terms] in the item at hand */
    uint32_t *have;   /* [terms] items with the term */
    uint32_t *number; /* [terms] of those that two items have, NO_TERM else */
} builder;

static const uint32_t *stream_of(const builder *b)
{
    return (const uint32_t *)(const void *)b->words.stream.data;
}

/* How often each term is in item i, into count; what is new in order, into distinct. */
static size_t count_terms(const builder *b, size_t i, uint32_t *distinct)
{
    size_t many = 0;
    for (size_t k = b->begins[i]; k < b->begins[i + 1]; k++) {
        uint32_t term = stream_of(b)[k];
        if (b->count[term]++ == 0) distinct[many++] = term;
    }
    return many;
}

/* Numbers the terms that are to stay; returns how many. least: items that must have one. */
static size_t number_terms(const builder *b, size_t n, uint32_t least, uint32_t *distinct)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t many = count_terms(b, i, distinct);
        for (size_t k = 0; k < many; k++) {
            b->have[distinct[k]]++;
            b->count[distinct[k]] = 0;
        }
    }
    for (size_t t = 0; t < b->words.count; t++)
        b->number[t] = b->have[t] >= least ? (uint32_t)kept++ : (uint32_t)NO_TERM;
    return kept;
}

/* One row: numbers and weights of its terms, of length 1 together; returns how many. */
static size_t weigh_row(const builder *b, size_t i, size_t n, bool plain, uint32_t *distinct,
                        uint32_t *column, float *value)
{
    size_t many = count_terms(b, i, distinct), kept = 0;
    float square = 0.0f;
    for (size_t k = 0; k < many; k++) {
        uint32_t term = distinct[k];
        float weight = (1.0f + ferry_log_float((float)b->count[term])) *
                       ferry_log_float((float)n / (float)b->have[term]);
        b->count[term] = 0;
        if (b->number[term] == NO_TERM) continue;
        column[kept] = b->number[term];
        value[kept++] = plain ? 1.0f : weight;
        square = square + weight * weight;
    }
    float norm = plain ? 1.0f : 1.0f / sqrtf(square + 1e-9f);
    for (size_t k = 0; k < kept; k++) value[k] = value[k] * norm;
    return kept;
}

static ferry_status weigh(builder *b, size_t n, bool plain, ferry_arena *scratch, ferry_tfidf *out,
                          ferry_error *error)
{
    size_t terms = b->words.count, words = b->begins[n];
    b->count = ferry_arena_array(scratch, terms, sizeof *b->count);
    b->have = ferry_arena_array(scratch, terms, sizeof *b->have);
    b->number = ferry_arena_array(scratch, terms, sizeof *b->number);
    uint32_t *distinct = ferry_arena_array(scratch, terms, sizeof *distinct);
    uint32_t *start = ferry_arena_array(&out->arena, n + 1, sizeof *start);
    uint32_t *column = ferry_arena_array(&out->arena, words, sizeof *column);
    float *value = ferry_arena_array(&out->arena, words, sizeof *value);
    if (b->count == NULL || b->have == NULL || b->number == NULL || distinct == NULL ||
        start == NULL || column == NULL || value == NULL)
        return ferry_fail_memory(error, "the items' terms");
    size_t kept = number_terms(b, n, plain ? 1 : 2, distinct);
    for (size_t i = 0; i < n; i++)
        start[i + 1] = start[i] + (uint32_t)weigh_row(b, i, n, plain, distinct, column + start[i],
                                                      value + start[i]);
    out->items = (ferry_sparse){n, kept, start, column, value};
    return ferry_sparse_transpose(&out->items, &out->arena, &out->terms, error);
}

/* fields 0: the authors alone */
static ferry_status create(const ferry_item *items, size_t n, unsigned fields,
                           const ferry_allocator *allocator, ferry_tfidf *out, ferry_error *error)
{
    ferry_allocator used = ferry_allocator_or_default(allocator);
    ferry_arena scratch;
    builder b;
    *out = (ferry_tfidf){0};
    ferry_arena_init(&scratch, used);
    ferry_arena_init(&out->arena, used);
    vocabulary_init(&b.words, used);
    b.begins = ferry_arena_array(&scratch, n + 1, sizeof *b.begins);
    bool ok = b.begins != NULL;
    for (size_t i = 0; i < n && ok; i++) {
        ok = fields == 0 ? add_author(&b.words, &items[i]) : add_item(&b.words, &items[i], fields);
        size_t words = b.words.stream.size / sizeof(uint32_t);
        ok = ok && words <= UINT32_MAX;
        b.begins[i + 1] = (uint32_t)words;
    }
    ferry_status status = ok ? weigh(&b, n, fields == 0, &scratch, out, error)
                             : ferry_fail_memory(error, "the items' terms");
    vocabulary_free(&b.words);
    ferry_arena_free(&scratch);
    if (status != FERRY_OK) ferry_tfidf_free(out);
    return status;
}

ferry_status ferry_tfidf_create(const ferry_item *items, size_t n, unsigned fields,
                                const ferry_allocator *allocator, ferry_tfidf *out,
                                ferry_error *error)
{
    if (fields == 0 || fields > (FERRY_TERMS_TITLE | FERRY_TERMS_TAGS | FERRY_TERMS_AUTHOR))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "fields %u, of 1 to 7", fields);
    return create(items, n, fields, allocator, out, error);
}

ferry_status ferry_tfidf_authors(const ferry_item *items, size_t n,
                                 const ferry_allocator *allocator, ferry_tfidf *out,
                                 ferry_error *error)
{
    return create(items, n, 0, allocator, out, error);
}

void ferry_tfidf_free(ferry_tfidf *tfidf)
{
    ferry_arena_free(&tfidf->arena);
    tfidf->items = tfidf->terms = (ferry_sparse){0};
}

void ferry_tfidf_score(const ferry_tfidf *tfidf, const uint32_t *used, const float *weights,
                       size_t count, float *query, float *out, uint8_t *mark, uint32_t *touched,
                       size_t *touched_count)
{
    for (size_t h = 0; h < count; h++)
        ferry_sparse_scatter(&tfidf->items, used[h], weights[h], query, NULL, NULL, NULL);
    for (size_t h = 0; h < count; h++) { /* a term met again is 0 by then */
        for (size_t i = tfidf->items.start[used[h]]; i < tfidf->items.start[used[h] + 1]; i++) {
            uint32_t term = tfidf->items.column[i];
            if (query[term] != 0.0f)
                ferry_sparse_scatter(&tfidf->terms, term, query[term], out, mark, touched,
                                     touched_count);
            query[term] = 0.0f;
        }
    }
}
