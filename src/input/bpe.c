#include "input/bpe.h"

#include "base/error.h"

/* ---- merges ---- */

ferry_status ferry_bpe_reserve(ferry_bpe *model, size_t count, ferry_arena *arena,
                               ferry_error *error)
{
    size_t slots = 4;
    while (slots - slots / 4 < count) /* three quarters full at most */
        if (!ferry_size_multiply(slots, 2, &slots)) return ferry_fail_memory(error, "the merges");
    model->merges = ferry_arena_array(arena, slots, sizeof *model->merges);
    if (model->merges == NULL) return ferry_fail_memory(error, "the merges");
    model->slots = slots;
    for (size_t i = 0; i < slots; i++) model->merges[i].id = -1;
    return FERRY_OK;
}

/* The slot of a pair, or the free one where it would be. */
static ferry_bpe_merge *slot_of(const ferry_bpe *model, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t at = (size_t)((key * 0x9E3779B97F4A7C15u) >> 32) & (model->slots - 1);
    for (;; at = (at + 1) & (model->slots - 1)) {
        ferry_bpe_merge *merge = &model->merges[at];
        if (merge->id < 0 || (merge->left == left && merge->right == right)) return merge;
    }
}

void ferry_bpe_add(ferry_bpe *model, ferry_bpe_merge merge)
{
    *slot_of(model, merge.left, merge.right) = merge;
}

/* ---- a word ---- */

typedef struct symbol {
    int32_t id; /* -1: it is part of the one before it */
    uint32_t previous, next;
} symbol;

enum { NOTHING = UINT32_MAX };

/* A merge that may be due: of the symbol at a place with its next one. */
typedef struct due {
    int32_t rank, id;
    uint32_t place;
} due;

typedef struct word {
    const ferry_bpe *model;
    symbol *symbols; /* [count] */
    size_t count;
    due *queue; /* [waiting] a heap, the smallest first */
    size_t waiting;
} word;

static bool is_before(due a, due b)
{
    return a.rank < b.rank || (a.rank == b.rank && a.place < b.place);
}

static void push(word *w, due entry)
{
    size_t at = w->waiting++;
    for (; at > 0 && is_before(entry, w->queue[(at - 1) / 2]); at = (at - 1) / 2)
        w->queue[at] = w->queue[(at - 1) / 2];
    w->queue[at] = entry;
}

static due pop(word *w)
{
    due first = w->queue[0], moved = w->queue[--w->waiting];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->waiting; at = child) {
        if (child + 1 < w->waiting && is_before(w->queue[child + 1], w->queue[child])) child++;
        if (!is_before(w->queue[child], moved)) break;
        w->queue[at] = w->queue[child];
    }
    w->queue[at] = moved;
    return first;
}

static const ferry_bpe_merge *merge_at(const word *w, uint32_t place)
{
    const symbol *s = &w->symbols[place];
    if (w->model->merges == NULL || s->next == NOTHING) return NULL;
    const ferry_bpe_merge *merge = slot_of(w->model, s->id, w->symbols[s->next].id);
    return merge->id >= 0 ? merge : NULL;
}

static void consider(word *w, uint32_t place)
{
    const ferry_bpe_merge *merge = merge_at(w, place);
    if (merge != NULL) push(w, (due){merge->rank, merge->id, place});
}

/* A symbol for each byte. */
static void split(word *w, const char *text, size_t size)
{
    const ferry_bpe *model = w->model;
    bool was_unknown = false;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        int32_t id = i + 1 == size ? model->last[byte] : model->inner[byte];
        bool unknown = id < 0;
        if (unknown && (model->unknown < 0 || (was_unknown && model->fuse_unknown))) continue;
        was_unknown = unknown;
        w->symbols[w->count] =
            (symbol){unknown ? model->unknown : id, (uint32_t)w->count - 1, (uint32_t)w->count + 1};
        w->count++;
    }
    if (w->count > 0) w->symbols[w->count - 1].next = NOTHING;
}

static void merge_all(word *w)
{
    for (uint32_t i = 0; i < w->count; i++) consider(w, i);
    while (w->waiting > 0) {
        due top = pop(w);
        symbol *s = &w->symbols[top.place];
        if (s->id < 0) continue;
        const ferry_bpe_merge *still = merge_at(w, top.place);
        if (still == NULL || still->id != top.id) continue; /* one of the two is another by now */
        symbol *taken = &w->symbols[s->next];
        s->id = top.id;
        s->next = taken->next;
        taken->id = -1;
        if (s->next != NOTHING) w->symbols[s->next].previous = top.place;
        if (s->previous != NOTHING) consider(w, s->previous);
        consider(w, top.place);
    }
}

ferry_status ferry_bpe_encode(const ferry_bpe *model, const char *text, size_t size,
                              ferry_buffer *symbols, ferry_buffer *queue, int32_t *ids, size_t room,
                              size_t *count, ferry_error *error)
{
    *count = 0;
    if (size >= INT32_MAX)
        return ferry_fail(error, FERRY_LIMIT, "a word of %zu bytes, the limit is %d", size,
                          INT32_MAX);
    symbols->size = queue->size = 0;
    size_t bytes, most; /* a merge makes two more due, and there are fewer than bytes */
    if (!ferry_size_multiply(size, sizeof(symbol), &bytes) ||
        !ferry_size_multiply(size, 3 * sizeof(due), &most) ||
        !ferry_buffer_reserve(symbols, bytes) || !ferry_buffer_reserve(queue, most))
        return ferry_fail_memory(error, "a word");
    word w = {.model = model,
              .symbols = (symbol *)(void *)symbols->data,
              .queue = (due *)(void *)queue->data};
    split(&w, text, size);
    merge_all(&w);
    for (uint32_t i = w.count > 0 ? 0 : NOTHING; i != NOTHING; i = w.symbols[i].next) {
        if (*count < room) ids[*count] = w.symbols[i].id;
        (*count)++;
    }
    return FERRY_OK;
}
