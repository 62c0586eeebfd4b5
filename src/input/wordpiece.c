#include "input/wordpiece.h"

size_t ferry_wordpiece_encode(const ferry_wordpiece *model, const char *word, size_t size,
                              int32_t *ids, size_t room)
{
    uint32_t state = model->pieces->root;
    size_t count = 0;
    for (size_t start = 0; start < size;) {
        size_t length = 0;
        int32_t id = ferry_trie_longest(model->pieces, state, word + start, size - start, &length);
        if (id < 0) { /* one part that is no piece makes the whole word unknown */
            if (room > 0) ids[0] = model->unknown;
            return 1;
        }
        if (count < room) ids[count] = id;
        count++;
        start += length;
        state = model->continuation;
    }
    return count;
}
