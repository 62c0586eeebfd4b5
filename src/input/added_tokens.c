#include "input/added_tokens.h"

#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "input/unicode.h"

static ferry_status build_trie(ferry_added_set *set, const ferry_allocator *allocator,
                               const char *what, ferry_error *error)
{
    ferry_trie_entry *entries = ferry_allocate(allocator, set->count, sizeof *entries);
    if (entries == NULL) return ferry_fail_memory(error, what);
    for (size_t i = 0; i < set->count; i++) {
        const ferry_added_token *token = &set->tokens[set->count - 1 - i]; /* the first counts */
        entries[i] = (ferry_trie_entry){token->content, token->size, (int32_t)(set->count - 1 - i)};
    }
    ferry_status status =
        ferry_trie_build(&set->trie, allocator, entries, set->count, true, what, error);
    ferry_release(allocator, entries, set->count * sizeof *entries);
    return status;
}

ferry_status ferry_added_set_build(ferry_added_set *set, const ferry_allocator *allocator,
                                   const ferry_added_token *tokens, size_t count, const char *what,
                                   ferry_error *error)
{
    *set = (ferry_added_set){.only_first = -1};
    ferry_buffer_init(&set->trie.nodes, *allocator);
    if (count == 0) return FERRY_OK;
    if (count > FERRY_TRIE_MAX_NODES)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu added tokens, the limit is %d", what, count,
                          FERRY_TRIE_MAX_NODES);
    set->tokens = ferry_allocate(allocator, count, sizeof *set->tokens);
    if (set->tokens == NULL) return ferry_fail_memory(error, what);
    set->count = count;
    memcpy(set->tokens, tokens, count * sizeof *tokens);
    ferry_status status = build_trie(set, allocator, what, error);
    if (status != FERRY_OK) {
        ferry_added_set_free(set, allocator);
        return status;
    }
    set->only_first = (unsigned char)tokens[0].content[0];
    for (size_t i = 0; i < count; i++) {
        unsigned char first = (unsigned char)tokens[i].content[0];
        set->first[first] = true;
        if (first != set->only_first) set->only_first = -1;
        set->tokens[i].content = NULL;
    }
    return FERRY_OK;
}

void ferry_added_set_free(ferry_added_set *set, const ferry_allocator *allocator)
{
    if (set->tokens == NULL) return;
    ferry_trie_free(&set->trie);
    ferry_release(allocator, set->tokens, set->count * sizeof *set->tokens);
    set->tokens = NULL;
    set->count = 0;
}

/* ---- the text around a token ---- */

static unsigned class_after(const char *text, size_t size, size_t at, size_t *next)
{
    *next = at;
    return ferry_unicode_class(ferry_utf8_next(text, size, next, NULL));
}

static unsigned class_before(const char *text, size_t at, size_t *previous)
{
    size_t start = at - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
    *previous = start;
    return ferry_unicode_class(ferry_utf8_next(text, at, &start, NULL));
}

static bool stands_alone(const char *text, size_t size, size_t start, size_t stop)
{
    size_t unused;
    if (start > 0 && class_before(text, start, &unused) & FERRY_UNICODE_WORD) return false;
    return stop == size || !(class_after(text, size, stop, &unused) & FERRY_UNICODE_WORD);
}

static size_t before_spaces(const char *text, size_t at)
{
    size_t previous;
    while (at > 0 && class_before(text, at, &previous) & FERRY_UNICODE_SPACE) at = previous;
    return at;
}

static size_t after_spaces(const char *text, size_t size, size_t at)
{
    size_t next;
    while (at < size && class_after(text, size, at, &next) & FERRY_UNICODE_SPACE) at = next;
    return at;
}

/* ---- search ---- */

/* Where from `at` on a token may begin, or size. */
static size_t candidate(const ferry_added_cursor *cursor, size_t at)
{
    const ferry_added_set *set = cursor->set;
    if (set->only_first >= 0) {
        const char *found = at < cursor->size
                                ? memchr(cursor->text + at, set->only_first, cursor->size - at)
                                : NULL;
        return found != NULL ? (size_t)(found - cursor->text) : cursor->size;
    }
    while (at < cursor->size && !set->first[(unsigned char)cursor->text[at]]) at++;
    return at;
}

ferry_added_piece ferry_added_next(ferry_added_cursor *cursor)
{
    const ferry_added_set *set = cursor->set;
    const char *text = cursor->text;
    size_t size = cursor->size, length = 0;
    ferry_added_piece piece = {cursor->done, size, -1};
    if (set->count == 0) return piece;
    for (size_t start; (start = candidate(cursor, cursor->search)) < size;) {
        int32_t index =
            ferry_trie_longest(&set->trie, set->trie.root, text + start, size - start, &length);
        if (index < 0) {
            cursor->search = start + 1;
            continue;
        }
        const ferry_added_token *token = &set->tokens[index];
        size_t stop = start + length;
        cursor->search = stop; /* even if it is discarded: what it covers is not looked at again */
        if (token->single_word && !stands_alone(text, size, start, stop)) continue;
        if (token->lstrip) start = before_spaces(text, start);
        if (token->rstrip) stop = after_spaces(text, size, stop);
        /* A token before this one may have swallowed what is in front of it, or even part of it. */
        piece.stop = start > cursor->done ? start : cursor->done;
        piece.id = token->id;
        cursor->done = stop;
        return piece;
    }
    cursor->search = size;
    cursor->done = size;
    return piece;
}
