#include "recsys/titles.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "base/utf8.h"
#include "input/fold.h"
#include "input/unicode.h"

enum { FEWEST_WORDS = 4 /* with fewer, nearly the same is not the same */ };

/* An item's different words, rarest first. */
typedef struct word_set {
    uint32_t *words; /* [count] numbers, then by rank */
    uint32_t count;
} word_set;

/* One entry of an inverted list: items that have the word among their rarest. */
typedef struct posting {
    uint32_t item, next; /* next: into postings, or FERRY_NO_NAME */
} posting;

typedef struct grouping {
    ferry_arena arena;
    ferry_names words, titles; /* words; titles in normal form */
    ferry_buffer normal;       /* the title being read: its words, a space behind each, a NUL */
    uint32_t *first;           /* [titles] the item that had the title first */
    word_set *sets;            /* [count] of the first of each title; the others' are empty */
    uint32_t *frequency;       /* [words] items that have it */
    uint32_t *heads;           /* [words] newest posting */
    posting *postings;
    uint32_t *seen; /* [count] the last item that had this one as a candidate */
    uint32_t *row;  /* scratch: a title's words; 1 << 16 at most */
} grouping;

enum { MAX_WORDS = 1 << 16 };

/* ---- words ---- */

static bool normalize(grouping *g, const char *title)
{
    size_t size = strlen(title), offset = 0;
    bool inside = false;
    g->normal.size = 0;
    while (offset < size) {
        uint32_t c = ferry_utf8_next(title, size, &offset, NULL);
        bool is_word = (ferry_unicode_class(c) & FERRY_UNICODE_WORD) != 0;
        if (inside && !is_word && !ferry_buffer_append(&g->normal, " ", 1)) return false;
        if (is_word && !ferry_fold_append(&g->normal, c)) return false;
        inside = is_word;
    }
    return (!inside || ferry_buffer_append(&g->normal, " ", 1)) &&
           ferry_buffer_append(&g->normal, "", 1);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The words of g->normal as a sorted set; cuts g->normal up. */
static bool read_set(grouping *g, word_set *out)
{
    size_t count = 0, kept = 0;
    for (char *word = g->normal.data; *word != '\0' && count < MAX_WORDS;) {
        char *end = strchr(word, ' ');
        *end = '\0';
        if (!ferry_names_add(&g->words, word, &g->row[count++], NULL)) return false;
        word = end + 1;
    }
    qsort(g->row, count, sizeof *g->row, by_number);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || g->row[i] != g->row[i - 1]) g->row[kept++] = g->row[i];
    out->words = ferry_arena_array(&g->arena, kept, sizeof *out->words);
    if (out->words == NULL) return false;
    memcpy(out->words, g->row, kept * sizeof *out->words);
    out->count = (uint32_t)kept;
    return true;
}

/* Reads the titles; those that are equal to an earlier one get their leader. */
static bool find_equal(grouping *g, const char *const *titles, size_t count, uint32_t *leader,
                       size_t *equal)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t number;
        bool added;
        leader[i] = (uint32_t)i;
        if (!normalize(g, titles[i])) return false;
        if (g->normal.size == 1) continue;
        if (!ferry_names_add(&g->titles, g->normal.data, &number, &added)) return false;
        if (added) {
            g->first[number] = (uint32_t)i;
            if (!read_set(g, &g->sets[i])) return false;
        } else {
            leader[i] = g->first[number];
            (*equal)++;
        }
    }
    return true;
}

/* ---- nearly the same ---- */

/* Renames words by how rare they are, so that the rarest of a set come first. */
static bool rank_words(grouping *g, size_t count)
{
    size_t words = g->words.count;
    uint32_t *rank = ferry_arena_array(&g->arena, words, sizeof *rank);
    g->frequency = ferry_arena_array(&g->arena, words, sizeof *g->frequency);
    if (rank == NULL || g->frequency == NULL) return false;
    for (size_t i = 0; i < count; i++)
        for (uint32_t w = 0; w < g->sets[i].count; w++) g->frequency[g->sets[i].words[w]]++;
    /* counting sort: frequency is at most count */
    uint32_t *starts = ferry_arena_array(&g->arena, count + 2, sizeof *starts);
    if (starts == NULL) return false;
    for (size_t w = 0; w < words; w++) starts[g->frequency[w] + 1]++;
    for (size_t f = 1; f < count + 2; f++) starts[f] += starts[f - 1];
    for (size_t w = 0; w < words; w++) rank[w] = starts[g->frequency[w]]++;
    for (size_t i = 0; i < count; i++) {
        word_set *set = &g->sets[i];
        for (uint32_t w = 0; w < set->count; w++) set->words[w] = rank[set->words[w]];
        if (set->count > 1) qsort(set->words, set->count, sizeof *set->words, by_number);
    }
    return true;
}

/* Whether the sets share at least nine tenths of their words. */
static bool alike(const word_set *a, const word_set *b)
{
    uint32_t shared = 0, i = 0, j = 0;
    while (i < a->count && j < b->count) {
        if (a->words[i] == b->words[j]) {
            shared++;
            i++;
            j++;
        } else if (a->words[i] < b->words[j]) {
            i++;
        } else {
            j++;
        }
    }
    uint64_t united = (uint64_t)a->count + b->count - shared;
    return 10 * (uint64_t)shared >= 9 * united;
}

/*
 * How many of a set's rarest words have to be looked at: sets that are alike share nine tenths of
 * the larger one's words, so at least one of these.
 */
static uint32_t prefix(const word_set *set)
{
    return set->count - (9 * set->count + 9) / 10 + 1;
}

/* The first leader that the item is like, or FERRY_NO_NAME. */
static uint32_t find_like(grouping *g, uint32_t item)
{
    const word_set *set = &g->sets[item];
    uint32_t best = FERRY_NO_NAME;
    for (uint32_t w = 0; w < prefix(set); w++) {
        for (uint32_t p = g->heads[set->words[w]]; p != FERRY_NO_NAME; p = g->postings[p].next) {
            uint32_t other = g->postings[p].item;
            if (g->seen[other] == item) continue;
            g->seen[other] = item;
            if (other < best && alike(set, &g->sets[other])) best = other;
        }
    }
    return best;
}

static bool find_near(grouping *g, size_t count, uint32_t *leader, size_t *near)
{
    size_t total = 0;
    uint32_t used = 0;
    if (!rank_words(g, count)) return false;
    for (size_t i = 0; i < count; i++)
        if (g->sets[i].count >= FEWEST_WORDS) total += prefix(&g->sets[i]);
    if (total >= FERRY_NO_NAME) return false;
    g->postings = ferry_arena_array(&g->arena, total, sizeof *g->postings);
    g->heads = ferry_arena_array(&g->arena, g->words.count, sizeof *g->heads);
    g->seen = ferry_arena_array(&g->arena, count, sizeof *g->seen);
    if (g->postings == NULL || g->heads == NULL || g->seen == NULL) return false;
    for (size_t w = 0; w < g->words.count; w++) g->heads[w] = FERRY_NO_NAME;
    for (size_t i = 0; i < count; i++) g->seen[i] = FERRY_NO_NAME;
    for (uint32_t i = 0; i < count; i++) {
        const word_set *set = &g->sets[i];
        if (set->count < FEWEST_WORDS) continue;
        uint32_t like = find_like(g, i);
        if (like != FERRY_NO_NAME) {
            leader[i] = like;
            (*near)++;
            continue;
        }
        for (uint32_t w = 0; w < prefix(set); w++) {
            g->postings[used] = (posting){i, g->heads[set->words[w]]};
            g->heads[set->words[w]] = used++;
        }
    }
    return true;
}

ferry_status ferry_titles_group(const char *const *titles, size_t count,
                                const ferry_allocator *allocator, uint32_t *leader,
                                ferry_titles_found *found, ferry_error *error)
{
    grouping g = {0};
    *found = (ferry_titles_found){0};
    ferry_arena_init(&g.arena, ferry_allocator_or_default(allocator));
    ferry_names_init(&g.words, g.arena.allocator);
    ferry_names_init(&g.titles, g.arena.allocator);
    ferry_buffer_init(&g.normal, g.arena.allocator);
    g.first = ferry_arena_array(&g.arena, count, sizeof *g.first);
    g.sets = ferry_arena_array(&g.arena, count, sizeof *g.sets);
    g.row = ferry_arena_array(&g.arena, MAX_WORDS, sizeof *g.row);
    bool done = g.first != NULL && g.sets != NULL && g.row != NULL &&
                find_equal(&g, titles, count, leader, &found->equal) &&
                find_near(&g, count, leader, &found->near);
    /* what equals an item that is nearly another has that one's leader */
    for (size_t i = 0; done && i < count; i++) leader[i] = leader[leader[i]];
    ferry_buffer_free(&g.normal);
    ferry_names_free(&g.titles);
    ferry_names_free(&g.words);
    ferry_arena_free(&g.arena);
    return done ? FERRY_OK : ferry_fail_memory(error, "the titles");
}
