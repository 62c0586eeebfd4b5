#include "recsys/tfidf.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "math/elementary.h"

/* ---- terms by number ---- */

enum { NO_TERM = UINT32_MAX };

typedef struct vocabulary {
    ferry_names terms;
    ferry_buffer word;   /* the one being read, lower-cased, NUL behind it */
    ferry_buffer stream; /* uint32_t: every item's terms, one after the other */
} vocabulary;

static void vocabulary_init(vocabulary *v, ferry_allocator allocator)
{
    ferry_names_init(&v->terms, allocator);
    ferry_buffer_init(&v->word, allocator);
    ferry_buffer_init(&v->stream, allocator);
}

static void vocabulary_free(vocabulary *v)
{
    ferry_names_free(&v->terms);
    ferry_buffer_free(&v->word);
    ferry_buffer_free(&v->stream);
}

/* Appends the term that stands in v->word to the stream, and empties the word. */
static bool end_word(vocabulary *v)
{
    uint32_t term;
    if (!ferry_buffer_append(&v->word, "", 1) ||
        !ferry_names_add(&v->terms, v->word.data, &term, NULL))
        return false;
    v->word.size = 0;
    return ferry_buffer_append(&v->stream, &term, sizeof term);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool add_words(vocabulary *v, const char *text)
{
    for (; *text != '\0'; text++) {
        char c = lower(*text), next = lower(text[1]);
        if (!is_word(c)) continue;
        if (!ferry_buffer_append(&v->word, &c, 1)) return false;
        if (!is_word(next) && !end_word(v)) return false;
    }
    return true;
}

/* The text, if there is any, as one term, which no word can be as it begins with "b_". */
static bool add_whole(vocabulary *v, const char *text, size_t size)
{
    if (size == 0) return true;
    if (!ferry_buffer_append(&v->word, "b_", 2)) return false;
    for (size_t i = 0; i < size; i++) {
        char c = lower(text[i]);
        if (!ferry_buffer_append(&v->word, &c, 1)) return false;
    }
    return end_word(v);
}

/* ---- items as terms ---- */

static bool add_item(vocabulary *v, const ferry_item *item, unsigned fields)
{
    bool ok = (fields & FERRY_TERMS_TITLE) == 0 || add_words(v, item->title);
    for (size_t i = 0; (fields & FERRY_TERMS_TAGS) != 0 && i < item->tag_count && ok; i++)
        ok = add_words(v, item->tags[i]);
    size_t author = (fields & FERRY_TERMS_AUTHOR) != 0 ? strlen(item->author) : 0;
    for (size_t twice = 0; twice < 2; twice++) ok = ok && add_whole(v, item->author, author);
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
        return add_whole(v, item->author, strlen(item->author));
    const char *title = item->title + strspn(item->title, " \t\r\n\f\v");
    return add_whole(v, title, strcspn(title, " \t\r\n\f\v"));
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
    for (size_t t = 0; t < b->words.terms.count; t++)
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
    size_t terms = b->words.terms.count, words = b->begins[n];
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
