#include "cli/recommend_explain.h"

#include <math.h>
#include <stdio.h>

enum { MOST_EVENTS = 3 /* below an item */ };

static const char *title_of(const ferry_why *why, size_t item)
{
    const ferry_item *of = &why->visitor->catalog->items[item].item;
    return of->title[0] != '\0' ? of->title : of->id;
}

/* "+0.4123  Title  (text 0.3000, net 0.1123)"; event FERRY_NO_EVENT: what is of none */
static void print_event(const ferry_why *why, const ferry_explanation *x, size_t event)
{
    const char *between = "  (";
    double sum = 0.0;
    for (size_t i = 0; i < x->contribution_count; i++)
        if (x->contributions[i].event == event) sum += x->contributions[i].value;
    printf("          %+8.4f  %s", sum,
           event != FERRY_NO_EVENT ? title_of(why, x->events[event].item) : "whatever the history");
    for (size_t i = 0; i < x->contribution_count; i++) {
        const ferry_contribution *c = &x->contributions[i];
        if (c->event != event) continue;
        printf("%s%s %.4f%s", between, ferry_reason_name(c->reason), c->value,
               x->approximate[c->reason] ? " about" : "");
        between = ", ";
    }
    puts(")");
}

void cli_explain_item(const ferry_why *why, size_t i)
{
    const ferry_explanation *x = why->items[i];
    size_t told[MOST_EVENTS], count = 0;
    printf("      %s\n", x->sentence);
    for (; count < MOST_EVENTS; count++) { /* the largest, for or against */
        size_t most = FERRY_NO_EVENT;
        for (size_t e = 0; e < x->event_count; e++) {
            bool before = x->events[e].sum == 0.0;
            for (size_t t = 0; t < count; t++) before = before || told[t] == e;
            if (!before &&
                (most == FERRY_NO_EVENT || fabs(x->events[e].sum) > fabs(x->events[most].sum)))
                most = e;
        }
        if (most == FERRY_NO_EVENT) break;
        told[count] = most;
        print_event(why, x, most);
    }
    size_t last = x->contribution_count;
    if (last > 0 && x->contributions[last - 1].event == FERRY_NO_EVENT)
        print_event(why, x, FERRY_NO_EVENT);
    if (!x->complete)
        printf("          %+8.4f  not accounted for: the net is not linear\n", x->residual);
}

void cli_explain_list(const ferry_why *why)
{
    const ferry_counterfactual *c = why->counterfactual;
    if (c == NULL) return;
    const char *between = "Without ";
    for (size_t i = 0; i < c->event_count; i++) {
        printf("%s%s", between, title_of(why, c->event_items[i]));
        between = i + 2 < c->event_count ? ", " : " and ";
    }
    printf(", the first would be %s%s.\n", title_of(why, c->instead),
           c->smallest ? "" : "; fewer events may do");
}
