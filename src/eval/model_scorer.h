/* A trained model as a scorer to be evaluated. */
#ifndef FERRY_EVAL_MODEL_SCORER_H
#define FERRY_EVAL_MODEL_SCORER_H

#include "eval/evaluate.h"
#include "recsys/model.h"

typedef struct ferry_model_scorer ferry_model_scorer;

/* domain: the data set's, which the model, or at least its catalogue, has. Borrows everything. */
ferry_status ferry_model_scorer_create(const ferry_model *model, const ferry_dataset *dataset,
                                       size_t domain, ferry_pool *pool, ferry_model_scorer **out,
                                       ferry_error *error);
void ferry_model_scorer_close(ferry_model_scorer *scorer); /* NULL is fine */

/* A ferry_score_items. */
void ferry_model_scorer_score(void *scorer, const ferry_history_entry *history, size_t count,
                              size_t worker, float *out);

#endif
