/*
 * Strings to ids as a double array: the state is a base, a byte leads to nodes[base ^ byte], and
 * that node is the right one if its label is the byte. One load a byte finds the longest match
 * from a place, without a hash or a string compare.
 *
 * Every state has a base of its own and unused nodes bear a label nobody asks for, so the label
 * alone tells whose node it is. Base 0 is the state without children.
 */
#ifndef FERRY_INPUT_TRIE_H
#define FERRY_INPUT_TRIE_H

#include "base/memory.h"
#include "ferry/ferry.h"

typedef struct ferry_trie_entry {
    const char *key; /* [size] bytes, size > 0 */
    uint32_t size;
    int32_t value; /* >= 0 */
} ferry_trie_entry;

typedef struct ferry_trie_node {
    uint32_t base_and_label; /* base << 8 | label; a base is the index of a node */
    int32_t value;           /* of the key that ends here, or -1 */
} ferry_trie_node;

typedef struct ferry_trie {
    ferry_buffer nodes; /* of ferry_trie_node, a multiple of 256; none if there are no keys */
    uint32_t root;      /* base */
} ferry_trie;

enum { FERRY_TRIE_MAX_NODES = 1 << 24 };

/*
 * entries are reordered. Of equal keys the later one counts if keep_last; otherwise they are
 * MALFORMED. what names the keys in messages, e.g. "tokenizer.json: model.vocab".
 * On failure the trie is empty and needs no freeing.
 */
ferry_status ferry_trie_build(ferry_trie *trie, const ferry_allocator *allocator,
                              ferry_trie_entry *entries, size_t count, bool keep_last,
                              const char *what, ferry_error *error);
void ferry_trie_free(ferry_trie *trie);

static inline const ferry_trie_node *ferry_trie_nodes(const ferry_trie *trie)
{
    return (const ferry_trie_node *)(const void *)trie->nodes.data;
}

/* Base reached from base over a string, 0 if no key begins so. The trie is not empty. */
uint32_t ferry_trie_walk(const ferry_trie *trie, uint32_t base, const char *text, size_t size);

/*
 * The longest key at the beginning of text, counted from a state: its value and, through *length,
 * its bytes; -1 if there is none. The trie is not empty.
 */
static inline int32_t ferry_trie_longest(const ferry_trie *trie, uint32_t base, const char *text,
                                         size_t size, size_t *length)
{
    const ferry_trie_node *nodes = ferry_trie_nodes(trie);
    int32_t value = -1;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = (unsigned char)text[i];
        ferry_trie_node node = nodes[base ^ byte];
        if ((node.base_and_label & 0xFF) != byte) break;
        base = node.base_and_label >> 8;
        if (node.value >= 0) {
            value = node.value;
            *length = i + 1;
        }
    }
    return value;
}

#endif
