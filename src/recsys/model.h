/*
 * A recommender: what was learned of some domains of a catalogue, and the scores it gives a
 * history.
 *
 * A score is a weighted sum of features, each one number an item: the sequence net's logit, what
 * followed the same items for others (neighbours), likeness of text, popularity, and what is known
 * from other domains. Which weights are used depends on what is known of the visitor there.
 *
 * On disk a directory: ferry.json (configuration, domains, weights of the mix), items.jsonl (the
 * items it knows, by domain and id) and model.safetensors.
 */
#ifndef FERRY_RECSYS_MODEL_H
#define FERRY_RECSYS_MODEL_H

#include "recsys/als.h"
#include "recsys/history.h"
#include "recsys/neighbors.h"
#include "recsys/net.h"
#include "recsys/profile_map.h"
#include "recsys/tfidf.h"
#include "recsys/whiten.h"

/*
 * X(NAME, "name", needs): needs says when a feature can tell items apart:
 *   HERE       the visitor has events in the domain
 *   LEARNED    … and the domain had training events
 *   ELSEWHERE  the visitor has events in other domains that share people with this one
 *   ALWAYS
 */
#define FERRY_FEATURE_LIST(X)                                                                     \
    X(NET, "net", LEARNED)             /* logit of the sequence net */                            \
    X(NEIGHBORS, "neighbors", LEARNED) /* ln(K + .03), K from the last ten items */               \
    X(TEXT, "text", HERE)              /* cosine of whitened texts, to the last three */          \
    X(TEXT_LAST, "text_last", HERE)    /* … to the last one */                                    \
    X(WORDS, "words", HERE)            /* TF-IDF of title, tags, author; last three */            \
    X(TITLE, "title", HERE)            /* TF-IDF of the title; last three */                      \
    X(TITLE_LAST, "title_last", HERE)  /* … last one */                                           \
    X(TITLE_SQUARE, "title_square", HERE)                                                         \
    X(AUTHOR, "author", HERE) /* share of the last three of the same author */                    \
    X(AUTHOR_LAST, "author_last", HERE)                                                           \
    X(TAGS, "tags", HERE)            /* TF-IDF of the tags; last three */                         \
    X(FACTORS, "factors", ELSEWHERE) /* EMCDR: factors mapped from the other domains */           \
    X(PROFILE, "profile", ELSEWHERE) /* learned map of the profile of texts */                    \
    X(ACROSS, "across",                                                                           \
      ELSEWHERE)                /* ln(C + .003), C what people who had the same there had here */ \
    X(LINKED, "linked", ALWAYS) /* ln of popularity among people of other domains */              \
    X(POPULARITY, "popularity", ALWAYS) /* ln(1 + training events) */                             \
    X(COLD, "cold", ALWAYS)             /* 1 for an item without training events */

typedef enum ferry_feature {
#define FERRY_FEATURE_ENUM(name, text, needs) FERRY_FEATURE_##name,
    FERRY_FEATURE_LIST(FERRY_FEATURE_ENUM)
#undef FERRY_FEATURE_ENUM
        FERRY_FEATURES
} ferry_feature;

/* X(NAME, "name"): which weights are used */
#define FERRY_SITUATION_LIST(X)                                                          \
    X(KNOWN, "known")           /* events here, in a domain with training events */      \
    X(NEW_DOMAIN, "new_domain") /* events here, but nobody's were there to learn from */ \
    X(NEWCOMER, "newcomer")     /* events in other learned domains alone */              \
    X(STRANGER, "stranger")     /* nothing to go by */

typedef enum ferry_situation {
#define FERRY_SITUATION_ENUM(name, text) FERRY_##name,
    FERRY_SITUATION_LIST(FERRY_SITUATION_ENUM)
#undef FERRY_SITUATION_ENUM
        FERRY_SITUATIONS
} ferry_situation;

#define FERRY_MODEL_FORMAT "ferry-model"
enum { FERRY_MODEL_VERSION = 1, FERRY_MODEL_MOST_NAME = 400 /* bytes of a domain's name */ };

extern const char *const ferry_feature_names[FERRY_FEATURES];
extern const char *const ferry_situation_names[FERRY_SITUATIONS];

/* What carries from the other domains to one; m items of all others, in the model's order. */
typedef struct ferry_across {
    size_t source_items;         /* m; 0: nobody is linked, and nothing below is there */
    ferry_sparse neighbors;      /* [m, n] */
    const float *linked;         /* [n] linked people who have the item */
    const float *source_factors; /* [m, F] */
    const float *target_factors; /* [n, F] */
    const float *factor_map;     /* [F + 1, F] ridge, last row the offset */
    float factor_deviation;      /* of the training people's scores: what FACTORS is divided by */
    float lambda;                /* of the factors */
    ferry_profile_map profile;   /* over the model's whitened texts; prior: log_linked */
    ferry_als_side fold;         /* made of source_factors, but F and alpha */
} ferry_across;

typedef struct ferry_model_domain {
    const char *name;
    uint32_t catalog_domain;
    size_t items;            /* n, the catalogue's */
    const float *popularity; /* [n] training events */
    ferry_sparse neighbors;  /* [n, n] */
    ferry_whiten whiten;     /* of the domain's text vectors: what they have in common damped */
    ferry_across across;
    float mix[FERRY_SITUATIONS][FERRY_FEATURES];

    /* made of the above and the catalogue */
    bool learned;                           /* any training event */
    const float *log_popularity;            /* [n] ln(1 + popularity) */
    const float *log_linked;                /* [n], or NULL */
    const float *text;                      /* [n, K] whitened by `whiten`, unit rows */
    const float *shared_text;               /* [n, K] whitened by the model's, unit rows; or NULL */
    const float *net_items;                 /* [n, d] the net's item vectors */
    ferry_tfidf words, title, tags, author; /* the last three only where their features are used */
} ferry_model_domain;

struct ferry_model {
    ferry_arena arena;            /* everything below */
    const ferry_catalog *catalog; /* borrowed */
    const ferry_kernels *kernels;
    ferry_model_domain *domains; /* [domain_count], the first known_domains of them learned; then
                                    those that the catalogue has beside them */
    size_t domain_count, known_domains;
    const char *const *behaviors; /* [behavior_count] */
    size_t behavior_count;
    ferry_whiten whiten; /* of all domains' text vectors, N -> K: one space for all */
    float content_scale; /* the net's content is its first C columns, times this */
    ferry_net *net;      /* or NULL; its domains are the model's */
};

/* An empty model without domains. */
ferry_status ferry_model_create(const ferry_catalog *catalog, ferry_model **out,
                                ferry_error *error);

/* The unit text vectors [n, N] of a domain's items, which is what a model knows of them beside
 * their words; in the arena, or where they stand. */
ferry_status ferry_model_vectors(const ferry_model *model, size_t domain, ferry_arena *arena,
                                 const float **out, ferry_error *error);

/* The net's content [n, C] of text vectors [n, N]; in the arena. */
ferry_status ferry_model_content(const ferry_model *model, const float *vectors, size_t n, size_t C,
                                 ferry_arena *arena, float **out, ferry_error *error);

/* ---- made: after everything learned is in place, the rest of it ---- */

/* Adds the catalogue's domains that nothing was learned of: room is there for all of them. */
ferry_status ferry_model_add_new_domains(ferry_model *model, ferry_error *error);

/* Text, item vectors and tables of every domain, from what was learned and the catalogue. */
ferry_status ferry_model_prepare(ferry_model *model, ferry_pool *pool, ferry_error *error);

/* Parts of it, for training: the domain's texts and words (every_feature: those of all features,
 * whatever the mix uses); what is made of `across`; the net's item vectors. */
ferry_status ferry_model_prepare_text(ferry_model *model, size_t domain, bool every_feature,
                                      ferry_error *error);
ferry_status ferry_model_prepare_across(ferry_model *model, size_t domain, ferry_pool *pool,
                                        ferry_error *error);
ferry_status ferry_model_prepare_net(ferry_model *model, size_t domain, ferry_error *error);

/* The weights that were found to serve all domains alike; docs/training.md. */
void ferry_model_default_mix(float mix[FERRY_SITUATIONS][FERRY_FEATURES]);

/* Other weights for a domain, and the tables they need. Scratches made before are too small. */
ferry_status ferry_model_set_mix(ferry_model *model, size_t domain,
                                 const float mix[FERRY_SITUATIONS][FERRY_FEATURES],
                                 ferry_error *error);

/* ---- used ---- */

/* What one thread needs to score: see ferry_model_scratch_create. */
typedef struct ferry_model_scratch {
    ferry_arena arena;
    float *values[FERRY_FEATURES]; /* [n] each, of the domain with the most items */
    float *sum, *query, *low;      /* [n], [2 K], [2 F] */
    float *terms;                  /* [terms] zeros between calls */
    uint8_t *mark;                 /* [n] zeros between calls */
    uint32_t *touched;             /* [n] */
    ferry_net_event *events;       /* [FERRY_MODEL_MOST_EVENTS] */
    uint32_t *items, *places;      /* [FERRY_MODEL_MOST_EVENTS] places: in the history */
    float *weights;                /* [FERRY_MODEL_MOST_EVENTS] */
    float *user, *net;             /* [d], the net's scratch */
    void *fold;                    /* the fold-in's */
} ferry_model_scratch;

enum { FERRY_MODEL_MOST_EVENTS = 1000 /* of a history: the newest are read */ };

ferry_status ferry_model_scratch_create(const ferry_model *model, ferry_model_scratch **out,
                                        ferry_error *error);
void ferry_model_scratch_close(ferry_model_scratch *scratch); /* NULL is fine */

/* Which weights a history calls for. Entries' domains are the model's. A newcomer is who has an
 * entry of weight > 0 in another domain that was learned of. */
ferry_situation ferry_model_situation(const ferry_model *model, size_t domain,
                                      const ferry_history_entry *history, size_t count);

/* The features with wanted[f], which the domain's mix or `every_feature` has made tables for, into
 * scratch->values[f] [n]; those that the history says nothing on are 0. Entries count from the
 * oldest; those of weight <= 0 are seen, but do not speak for what they are like. scale acts
 * wherever events are added up, and so not in the net, whose events have no weights. */
void ferry_model_features(const ferry_model *model, size_t domain,
                          const ferry_history_entry *history, size_t count,
                          const bool wanted[FERRY_FEATURES], ferry_model_scratch *scratch);

/* out [n] = sum_f mix[f] feature[f], mix that of the situation, which is returned. */
ferry_situation ferry_model_score(const ferry_model *model, size_t domain,
                                  const ferry_history_entry *history, size_t count,
                                  ferry_model_scratch *scratch, float *out);

#endif
