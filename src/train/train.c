/* The loop: steps, validation, early stopping, checkpoints. */
#include "train/train.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "train/trainer.h"

ferry_train_options ferry_train_options_default(void)
{
    return (ferry_train_options){
        .objective = FERRY_OBJECTIVE_SOFTMAX,
        .samples = 1024,
        .epochs = 12,
        .batch_positions = 1024,
        .learning_rate = 6e-3,
        .warm_up = 0.05,
        .floor = 0.02,
        .beta1 = 0.9,
        .beta2 = 0.98,
        .epsilon = 1e-8,
        .clip = 1.0,
        .dropout = 0.3f,
        .encoder_dropout = 0.3f,
        .validate_every = 1,
    };
}

/* ---- checks ---- */

static ferry_status check_options(const ferry_net *net, const ferry_train_options *o,
                                  ferry_error *error)
{
    const struct {
        const char *name;
        double value, low, high; /* low <= value < high */
    } numbers[] = {
        {"learning_rate", o->learning_rate, 0, 1e6},
        {"warm_up", o->warm_up, 0, 1},
        {"floor", o->floor, 0, 1.000001},
        {"weight_decay", o->weight_decay, 0, 1e6},
        {"beta1", o->beta1, 0, 1},
        {"beta2", o->beta2, 0, 1},
        {"epsilon", o->epsilon, 1e-30, 1},
        {"clip", o->clip, 0, 1e30},
        {"dropout", (double)o->dropout, 0, 0.99},
        {"l2sp", o->l2sp, 0, 1e6},
        {"encoder_dropout", (double)o->encoder_dropout, 0, 0.99},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!(numbers[i].value >= numbers[i].low && numbers[i].value < numbers[i].high))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s is %g, expected %g…%g",
                              numbers[i].name, numbers[i].value, numbers[i].low, numbers[i].high);
    }
    if (o->epochs == 0 || o->batch_positions == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%zu epochs of batches of %zu positions: neither may be 0", o->epochs,
                          o->batch_positions);
    if (o->trainable != FERRY_TRAIN_ALL && net->config.adapter_rank == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "adapters are to be trained, and the net's adapter rank is 0");
    return FERRY_OK;
}

static ferry_status check_event(const ferry_net *net, const ferry_train_domain *domains,
                                size_t domain_count, const ferry_train_domain *d, size_t e,
                                const ferry_train_options *options, ferry_error *error)
{
    const char *name = net->domain[d->domain].name;
    size_t of = d->event_domain != NULL ? d->event_domain[e] : d->domain;
    bool known = false;
    for (size_t i = 0; i < domain_count; i++) known = known || domains[i].domain == of;
    if (!known)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "event %zu of domain \"%s\" is of domain %zu, which is not in the run", e,
                          name, of);
    if (d->item[e] >= net->domain[of].item_count)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "event %zu of domain \"%s\" has item %u of %zu", e, name,
                          (unsigned)d->item[e], net->domain[of].item_count);
    if (net->config.behaviors > 0 && d->behavior != NULL && d->behavior[e] >= net->config.behaviors)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "event %zu of domain \"%s\" has behaviour %u of %zu", e, name,
                          (unsigned)d->behavior[e], net->config.behaviors);
    if (options->objective == FERRY_OBJECTIVE_MSE && !isfinite(d->value[e]))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "event %zu of domain \"%s\" has a value that is not finite", e, name);
    return FERRY_OK;
}

static ferry_status check_domains(const ferry_net *net, const ferry_train_domain *domains,
                                  size_t domain_count, const ferry_train_options *options,
                                  ferry_error *error)
{
    for (size_t i = 0; i < domain_count; i++) {
        const ferry_train_domain *d = &domains[i];
        if (d->domain >= net->domain_count)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "domain %zu of %zu", d->domain,
                              net->domain_count);
        const char *name = net->domain[d->domain].name;
        for (size_t j = 0; j < i; j++) {
            if (domains[j].domain == d->domain)
                return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                                  "domain \"%s\" is in the run twice", name);
        }
        if (net->config.content_dim > 0 && d->content == NULL)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "domain \"%s\" has no content", name);
        if (options->objective == FERRY_OBJECTIVE_MSE && d->value == NULL && d->user_count > 0)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "domain \"%s\" has no values to learn",
                              name);
        for (size_t u = 0; u < d->user_count; u++) {
            if (d->start[u + 1] < d->start[u])
                return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                                  "user %zu of domain \"%s\" ends before it begins", u, name);
        }
    }
    for (size_t i = 0; i < domain_count; i++) {
        const ferry_train_domain *d = &domains[i];
        for (size_t e = 0; d->user_count > 0 && e < d->start[d->user_count]; e++)
            FERRY_TRY(check_event(net, domains, domain_count, d, e, options, error));
    }
    return FERRY_OK;
}

/* ---- the run's identity ---- */

static uint64_t hash(uint64_t seed, const void *data, size_t size)
{
    return data != NULL ? ferry_hash_portably(seed, data, size) : seed;
}

static uint64_t hash_number(uint64_t seed, double number)
{
    return hash(seed, &number, sizeof number);
}

static uint64_t fingerprint(const ferry_trainer *t)
{
    const ferry_train_options *o = &t->options;
    uint64_t h = FERRY_FNV_BEGIN;
    for (size_t i = 0; i < t->net->tensor_count; i++) {
        h = hash(h, t->net->tensor[i].name, strlen(t->net->tensor[i].name));
        h = hash_number(h, (double)t->net->tensor[i].offset);
    }
    const double numbers[] = {o->objective,
                              (double)o->samples,
                              o->mask_history,
                              o->trainable,
                              (double)o->epochs,
                              (double)o->batch_positions,
                              o->learning_rate,
                              o->warm_up,
                              o->floor,
                              o->weight_decay,
                              o->beta1,
                              o->beta2,
                              o->epsilon,
                              o->clip,
                              (double)o->dropout,
                              (double)o->encoder_dropout,
                              o->l2sp,
                              (double)o->validate_every,
                              (double)o->patience,
                              (double)t->net->config.sequence.max_length,
                              (double)t->domain_count};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) h = hash_number(h, numbers[i]);
    h = hash(h, &o->seed, sizeof o->seed);
    h = hash(h, &o->target_behaviors, sizeof o->target_behaviors);
    if (o->l2sp > 0) h = hash(h, o->source, t->net->size * sizeof *o->source);
    for (size_t i = 0; i < t->domain_count; i++) {
        const ferry_train_domain *d = &t->domains[i];
        size_t events = d->user_count > 0 ? d->start[d->user_count] : 0;
        h = hash_number(h, (double)d->domain);
        h = hash(h, d->start, d->user_count > 0 ? (d->user_count + 1) * sizeof *d->start : 0);
        h = hash(h, d->item, events * sizeof *d->item);
        h = hash(h, d->event_domain, events * sizeof *d->event_domain);
        h = hash(h, d->behavior, events);
        if (o->objective == FERRY_OBJECTIVE_MSE) h = hash(h, d->value, events * sizeof *d->value);
        if (t->net->config.time_buckets > 0)
            h = hash(h, d->timestamp, events * sizeof *d->timestamp);
    }
    return h;
}

/* ---- a trainer ---- */

static ferry_status create_parts(ferry_trainer *t, ferry_error *error)
{
    const ferry_kernels *kernels;
    size_t max_length = t->net->config.sequence.max_length;
    FERRY_TRY(check_options(t->net, &t->options, error));
    FERRY_TRY(check_domains(t->net, t->domains, t->domain_count, &t->options, error));
    FERRY_TRY(ferry_kernels_choose(t->options.kernels, &kernels, error));
    FERRY_TRY(ferry_epoch_create(&t->arena, t->domains, t->domain_count, max_length,
                                 t->options.batch_positions, &t->epoch, error));
    FERRY_TRY(ferry_batcher_create(&t->arena, t->net, t->domains, t->domain_count, &t->options,
                                   &t->epoch, &t->batcher, error));
    FERRY_TRY(ferry_pass_create(&t->arena, t->net, kernels, &t->options, &t->epoch, &t->batcher,
                                &t->pass, error));
    FERRY_TRY(
        ferry_optimizer_create(&t->arena, t->net, kernels, &t->options, &t->optimizer, error));
    if (t->options.validate != NULL) {
        t->best = ferry_arena_array(&t->arena, t->net->size, sizeof *t->best);
        if (t->best == NULL) return ferry_fail_memory(error, "the best parameters");
    }
    t->metric = t->best_metric = -1;
    t->fingerprint = fingerprint(t);
    return FERRY_OK;
}

ferry_status ferry_trainer_create(ferry_net *net, const ferry_train_domain *domains,
                                  size_t domain_count, const ferry_train_options *options,
                                  ferry_trainer **out, ferry_error *error)
{
    *out = NULL;
    ferry_arena arena;
    ferry_arena_init(&arena, net->arena.allocator);
    ferry_trainer *t = ferry_arena_array(&arena, 1, sizeof *t);
    if (t == NULL) return ferry_fail_memory(error, "the trainer");
    t->arena = arena;
    t->net = net;
    t->domains = domains;
    t->domain_count = domain_count;
    t->options = *options;
    ferry_status status = create_parts(t, error);
    if (status != FERRY_OK) {
        ferry_trainer_close(t);
        return status;
    }
    *out = t;
    return FERRY_OK;
}

void ferry_trainer_close(ferry_trainer *trainer)
{
    if (trainer == NULL) return;
    ferry_arena arena = trainer->arena; /* trainer lies in it */
    ferry_arena_free(&arena);
}

size_t ferry_trainer_steps(const ferry_trainer *t)
{
    return t->options.epochs * t->epoch.batch_count;
}

/* The batch of the step to come. */
static const ferry_batch *next_batch(ferry_trainer *t)
{
    uint64_t epoch = t->step / t->epoch.batch_count, place = t->step % t->epoch.batch_count;
    if (t->begun != epoch + 1) {
        ferry_epoch_begin(&t->epoch, t->domains, t->domain_count,
                          t->net->config.sequence.max_length, t->options.seed, (size_t)epoch);
        t->begun = epoch + 1;
    }
    ferry_batcher_fill(&t->batcher, &t->epoch, &t->epoch.batch[t->epoch.permutation[place]],
                       t->step);
    return &t->batcher.batch;
}

static ferry_status check_finite(const ferry_trainer *t, double loss, double norm,
                                 ferry_error *error)
{
    if (isfinite(loss) && isfinite(norm)) return FERRY_OK;
    return ferry_fail(error, FERRY_DIVERGED,
                      "training diverged in step %zu of %zu: loss %g, norm of the gradient %g; a "
                      "lower learning rate may help",
                      (size_t)t->step + 1, ferry_trainer_steps(t), loss, norm);
}

ferry_status ferry_trainer_step(ferry_trainer *t, double *loss, ferry_error *error)
{
    const ferry_batch *batch = next_batch(t);
    *loss = 0;
    if (batch->R > 0) {
        double penalty, mean = ferry_pass_run(&t->pass, batch, t->step);
        double norm = ferry_optimizer_norm(&t->optimizer, &t->pass, batch, &penalty);
        *loss = mean + penalty;
        FERRY_TRY(check_finite(t, *loss, norm, error));
        ferry_optimizer_step(&t->optimizer, &t->pass, &t->batcher, norm, (size_t)t->step,
                             ferry_trainer_steps(t));
        t->positions += batch->R;
    }
    t->loss_sum += *loss;
    t->step++;
    return FERRY_OK;
}

ferry_status ferry_trainer_gradients(ferry_trainer *t, const ferry_train_fixed *fixed, double *loss,
                                     float *gradients, ferry_error *error)
{
    double penalty;
    t->batcher.fixed = fixed;
    const ferry_batch *batch = next_batch(t);
    t->batcher.fixed = NULL;
    if (batch->R == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the batch has nothing to predict");
    *loss = ferry_pass_run(&t->pass, batch, t->step);
    ferry_optimizer_norm(&t->optimizer, &t->pass, batch, &penalty);
    *loss += penalty;
    ferry_optimizer_dense(&t->optimizer, &t->pass, batch, gradients);
    return FERRY_OK;
}

/* ---- the loop ---- */

static ferry_status validate(ferry_trainer *t, size_t epoch, ferry_error *error)
{
    const ferry_train_options *o = &t->options;
    bool last = epoch == o->epochs;
    if (o->validate == NULL ||
        (!last && (o->validate_every == 0 || epoch % o->validate_every != 0)))
        return FERRY_OK;
    FERRY_TRY(o->validate(o->user, t->net, &t->metric, error));
    if (t->best_epoch == 0 || t->metric > t->best_metric) {
        t->best_metric = t->metric;
        t->best_epoch = epoch;
        t->stale = 0;
        memcpy(t->best, t->net->parameters, t->net->size * sizeof *t->best);
    } else if (++t->stale == o->patience) {
        t->finished = 1;
    }
    return FERRY_OK;
}

static ferry_status checkpoint(ferry_trainer *t, ferry_buffer *buffer, ferry_error *error)
{
    buffer->size = 0;
    FERRY_TRY(ferry_trainer_save(t, buffer, error));
    return t->options.checkpoint(t->options.user, buffer->data, buffer->size, error);
}

static ferry_train_progress progress_of(const ferry_trainer *t, double elapsed, size_t steps_done,
                                        size_t positions_done)
{
    size_t steps = ferry_trainer_steps(t), batches = t->epoch.batch_count;
    size_t in_epoch = (size_t)((t->step - 1) % batches + 1);
    ferry_train_progress p = {.step = (size_t)t->step,
                              .steps = steps,
                              .epoch = (size_t)t->step / batches,
                              .epochs = t->options.epochs,
                              .loss = t->loss_sum / (double)in_epoch,
                              .metric = t->metric,
                              .best_metric = t->best_metric,
                              .best_epoch = (size_t)t->best_epoch,
                              .seconds = elapsed};
    if (elapsed > 0) {
        p.positions_per_second = (double)positions_done / elapsed;
        p.seconds_left = elapsed / (double)steps_done * (double)(steps - (size_t)t->step);
    }
    return p;
}

static ferry_status loop(ferry_trainer *t, ferry_train_report *report, ferry_buffer *buffer,
                         ferry_error *error)
{
    const ferry_train_options *o = &t->options;
    size_t steps = ferry_trainer_steps(t), batches = t->epoch.batch_count;
    uint64_t first = t->step, positions = t->positions;
    double begin = o->seconds != NULL ? o->seconds(o->user) : 0, loss;
    while (t->step < steps && !t->finished) {
        if (t->step % batches == 0) t->loss_sum = 0;
        FERRY_TRY(ferry_trainer_step(t, &loss, error));
        if (t->step % batches == 0) FERRY_TRY(validate(t, (size_t)(t->step / batches), error));
        double elapsed = o->seconds != NULL ? o->seconds(o->user) - begin : 0;
        report->last =
            progress_of(t, elapsed, (size_t)(t->step - first), (size_t)(t->positions - positions));
        bool go_on = o->progress == NULL || o->progress(o->user, &report->last);
        bool due = o->checkpoint_every > 0 && t->step % o->checkpoint_every == 0;
        if (o->checkpoint != NULL && (due || !go_on)) FERRY_TRY(checkpoint(t, buffer, error));
        if (!go_on)
            return ferry_fail(error, FERRY_CANCELLED, "training was stopped after step %zu of %zu",
                              (size_t)t->step, steps);
    }
    return FERRY_OK;
}

ferry_status ferry_train(ferry_net *net, const ferry_train_domain *domains, size_t domain_count,
                         const ferry_train_options *options, ferry_train_report *report,
                         ferry_error *error)
{
    ferry_trainer *t;
    ferry_train_report unused;
    if (report == NULL) report = &unused;
    *report = (ferry_train_report){.last = {.metric = -1, .best_metric = -1}};
    FERRY_TRY(ferry_trainer_create(net, domains, domain_count, options, &t, error));
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, net->arena.allocator);
    ferry_status status = FERRY_OK;
    if (options->resume != NULL)
        status = ferry_trainer_restore(t, options->resume, options->resume_size, error);
    if (status == FERRY_OK) status = loop(t, report, &buffer, error);
    if ((status == FERRY_OK || status == FERRY_DIVERGED) && t->best_epoch > 0)
        memcpy(net->parameters, t->best, net->size * sizeof *t->best);
    report->positions = (size_t)t->positions;
    report->stopped_early = t->finished != 0;
    ferry_buffer_free(&buffer);
    ferry_trainer_close(t);
    return status;
}
