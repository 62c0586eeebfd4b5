/* An explanation in a sentence: "because you bought X; 62 % words, 38 % what others did". */
#include <stdio.h>
#include <string.h>

#include "rank/explain.h"

static const char *const group_words[] = {
#define WORDS(name, text, words) words,
    FERRY_GROUP_LIST(WORDS)
#undef WORDS
};

static bool append(ferry_buffer *out, const char *text)
{
    return ferry_buffer_append(out, text, strlen(text));
}

/* What a person did: the event's weight says whether they liked it. */
static const char *verb(const ferry_history_event *event)
{
    if (event->weight < 0.0f) return "you disliked ";
    if (event->behavior == FERRY_PURCHASE) return "you bought ";
    if (event->behavior == FERRY_VIEW) return "you viewed ";
    if (event->behavior == FERRY_OTHER) return "of ";
    return event->weight > 0.0f ? "you liked " : "you know ";
}

static bool append_because(const ferry_visitor *visitor, const ferry_history_event *event,
                           ferry_buffer *out)
{
    const ferry_item *item = &visitor->catalog->items[event->item].item;
    bool fits = append(out, "because ") && append(out, verb(event)) &&
                append(out, item->title[0] != '\0' ? item->title : item->id);
    if (!fits || event->other == FERRY_NO_NAME) return fits;
    return append(out, " (") && append(out, ferry_visitor_behavior(visitor, event)) &&
           append(out, ")");
}

/* "62 % words, 38 % what others did": the largest first, equal ones in the list's order. */
static bool append_percents(const ferry_explanation *x, ferry_buffer *out)
{
    bool told[FERRY_GROUP_COUNT] = {false}, fits = true;
    for (const char *before = "; "; fits; before = ", ") {
        size_t most = FERRY_GROUP_COUNT;
        for (size_t g = 0; g < FERRY_GROUP_COUNT; g++)
            if (x->percent[g] > 0 && !told[g] &&
                (most == FERRY_GROUP_COUNT || x->percent[g] > x->percent[most]))
                most = g;
        if (most == FERRY_GROUP_COUNT) return true;
        char number[32];
        told[most] = true;
        snprintf(number, sizeof number, "%s%u %% ", before, x->percent[most]);
        fits = append(out, number) && append(out, group_words[most]);
    }
    return false;
}

const char *ferry_explanation_sentence(const ferry_visitor *visitor,
                                       const ferry_explanation *explanation,
                                       const ferry_history_event *because, ferry_arena *arena)
{
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, visitor->allocator);
    bool fits = because != NULL ? append_because(visitor, because, &buffer)
                                : append(&buffer, "nothing in your history speaks for it");
    fits = fits && append_percents(explanation, &buffer);
    const char *sentence = fits ? ferry_arena_text(arena, buffer.data, buffer.size) : NULL;
    ferry_buffer_free(&buffer);
    return sentence;
}
