#include "train/fit.h"

#include <math.h>

#include <string.h>

#include "base/error.h"
#include "train/validate.h"

enum { WHITENED = 256, VALIDATION_USERS = 2000 };

ferry_fit_options ferry_fit_options_default(void)
{
    return (ferry_fit_options){.net = ferry_net_config_default(),
                               .train = ferry_train_options_default(),
                               .validation_users = VALIDATION_USERS};
}

typedef struct fitting {
    const ferry_dataset *dataset;
    const size_t *domains; /* [count] the data set's */
    size_t count;
    const ferry_fit_options *options;
    size_t validation_users;
    ferry_net_config net; /* options->net, made to fit data and catalogue */
    ferry_model *model;
    ferry_arena scratch;
    ferry_training_events *events; /* [count] */
    ferry_fit_report *report;
    ferry_validation *validation;
} fitting;

static ferry_status no_memory(ferry_error *error)
{
    return ferry_fail_memory(error, "training");
}

static ferry_status stage(const fitting *f, const char *what, size_t domain, ferry_error *error)
{
    const char *name = domain < f->count ? f->model->domains[domain].name : NULL;
    if (f->options->stage == NULL || f->options->stage(f->options->stage_user, what, name))
        return FERRY_OK;
    return ferry_fail(error, FERRY_CANCELLED, "training was stopped before: %s", what);
}

/* ---- events ---- */

ferry_status ferry_training_events_of(const ferry_interactions *domain, ferry_arena *arena,
                                      ferry_training_events *out, ferry_error *error)
{
    size_t most = domain->event_count, count = 0;
    *out = (ferry_training_events){
        .user = ferry_arena_array(arena, domain->user_count, sizeof *out->user),
        .start = ferry_arena_array(arena, domain->user_count + 1, sizeof *out->start),
        .item = ferry_arena_array(arena, most, sizeof *out->item),
        .behavior = ferry_arena_array(arena, most, sizeof *out->behavior),
        .value = ferry_arena_array(arena, most, sizeof *out->value),
        .weight = ferry_arena_array(arena, most, sizeof *out->weight),
        .timestamp = ferry_arena_array(arena, most, sizeof *out->timestamp)};
    if (out->user == NULL || out->start == NULL || out->item == NULL || out->behavior == NULL ||
        out->value == NULL || out->weight == NULL || out->timestamp == NULL)
        return no_memory(error);
    for (size_t u = 0; u < domain->user_count; u++) {
        size_t before = count;
        for (uint32_t i = domain->start[u]; i < domain->start[u + 1]; i++) {
            if (domain->part[i] != FERRY_TRAIN) continue;
            out->item[count] = domain->item[i];
            out->behavior[count] = domain->behavior[i];
            out->value[count] = domain->value[i];
            out->weight[count] = domain->weight[i];
            out->timestamp[count++] = domain->timestamp[i];
        }
        if (count == before) continue;
        out->user[out->user_count++] = domain->user[u];
        out->start[out->user_count] = (uint32_t)count;
    }
    return FERRY_OK;
}

/* ---- the model's domains ---- */

static ferry_status add_domains(fitting *f, ferry_error *error)
{
    ferry_model *model = f->model;
    const ferry_catalog *catalog = model->catalog;
    size_t most = f->count + catalog->domain_count;
    model->domains = ferry_arena_array(&model->arena, most, sizeof *model->domains);
    f->events = ferry_arena_array(&f->scratch, f->count, sizeof *f->events);
    if (model->domains == NULL || f->events == NULL) return no_memory(error);
    for (size_t d = 0; d < f->count; d++) {
        const ferry_interactions *from = &f->dataset->domains[f->domains[d]];
        ferry_model_domain *dom = &model->domains[d];
        dom->catalog_domain = ferry_catalog_find_domain(catalog, from->domain);
        if (dom->catalog_domain == FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_NOT_FOUND, "no domain \"%s\" in the catalogue",
                              from->domain);
        dom->name = catalog->domains[dom->catalog_domain];
        dom->items = catalog->domain_first[dom->catalog_domain + 1] -
                     catalog->domain_first[dom->catalog_domain];
        if (dom->items != from->item_count)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "domain \"%s\" has %zu items in the data, %zu in the catalogue: it "
                              "is not bound to it",
                              dom->name, from->item_count, dom->items);
        if (strlen(dom->name) > FERRY_MODEL_MOST_NAME)
            return ferry_fail(error, FERRY_LIMIT, "the domain's name \"%.64s…\" is too long",
                              dom->name);
        ferry_model_default_mix(dom->mix);
        if (f->options->mix != NULL)
            memcpy(dom->mix[FERRY_NEW_DOMAIN], f->options->mix->domains[0].mix[FERRY_NEW_DOMAIN],
                   sizeof *dom->mix);
        model->domain_count = model->known_domains = d + 1;
        FERRY_TRY(ferry_training_events_of(from, &f->scratch, &f->events[d], error));
    }
    return FERRY_OK;
}

static ferry_status count_popularity(fitting *f, size_t d, ferry_error *error)
{
    ferry_model_domain *dom = &f->model->domains[d];
    const ferry_training_events *e = &f->events[d];
    float *popularity = ferry_arena_array(&f->model->arena, dom->items, sizeof *popularity);
    if (popularity == NULL) return no_memory(error);
    for (size_t i = 0; i < e->start[e->user_count]; i++)
        popularity[e->item[i]] = popularity[e->item[i]] + 1.0f;
    dom->popularity = popularity;
    return FERRY_OK;
}

/* ---- texts ---- */

/* Root mean square of the first C columns of all domains' whitened texts: the net wants unit. */
static ferry_status measure_content(fitting *f, const float *const *blocks, ferry_error *error)
{
    ferry_model *model = f->model;
    size_t C = f->net.content_dim, count = 0;
    double square = 0.0;
    model->content_scale = 1.0f;
    for (size_t d = 0; d < f->count; d++) {
        size_t n = model->domains[d].items;
        float *content;
        ferry_arena arena;
        ferry_arena_init(&arena, f->scratch.allocator);
        ferry_status status = ferry_model_content(model, blocks[d], n, C, &arena, &content, error);
        for (size_t i = 0; status == FERRY_OK && i < n * C; i++)
            square = square + (double)content[i] * (double)content[i];
        ferry_arena_free(&arena);
        FERRY_TRY(status);
        count += n * C;
    }
    if (square > 0.0) model->content_scale = (float)(1.0 / sqrt(square / (double)count));
    return FERRY_OK;
}

/* What was learned in the source's space is used in its space. */
static ferry_status take_space(fitting *f, ferry_error *error)
{
    ferry_model *model = f->model;
    const ferry_whiten *from = &f->options->source->whiten;
    ferry_whiten *to = &model->whiten;
    size_t N = ferry_catalog_segment(model->catalog, FERRY_MODALITY_TEXT)->dimension;
    if (from->N != N)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the source's texts have %zu numbers, the catalogue's %zu", from->N, N);
    to->N = from->N;
    to->K = from->K;
    to->mean = ferry_arena_array(&model->arena, from->N, sizeof *to->mean);
    to->projection = ferry_arena_array(&model->arena, from->N, from->K * sizeof *to->projection);
    if (to->mean == NULL || to->projection == NULL) return no_memory(error);
    memcpy(to->mean, from->mean, from->N * sizeof *to->mean);
    memcpy(to->projection, from->projection, from->N * from->K * sizeof *to->projection);
    model->content_scale = f->options->source->content_scale;
    return FERRY_OK;
}

static ferry_status fit_texts(fitting *f, ferry_error *error)
{
    ferry_model *model = f->model;
    const ferry_model *source = f->options->source;
    const ferry_segment *text = ferry_catalog_segment(model->catalog, FERRY_MODALITY_TEXT);
    size_t N = text != NULL ? text->dimension : 0, K = N < WHITENED ? N : WHITENED;
    if (source != NULL) K = source->whiten.K; /* one number for all domains */
    if (f->net.content_dim > K) f->net.content_dim = K;
    const float **blocks = ferry_arena_array(&f->scratch, f->count, sizeof *blocks);
    size_t *rows = ferry_arena_array(&f->scratch, f->count, sizeof *rows);
    if (blocks == NULL || rows == NULL) return no_memory(error);
    for (size_t d = 0; d < f->count; d++) {
        rows[d] = model->domains[d].items;
        FERRY_TRY(ferry_model_vectors(model, d, &f->scratch, &blocks[d], error));
    }
    FERRY_TRY(stage(f, "texts", f->count, error));
    if (source != NULL) {
        FERRY_TRY(take_space(f, error));
    } else {
        FERRY_TRY(ferry_whiten_fit(model->kernels, blocks, rows, f->count, N, K, FERRY_WHITEN_POWER,
                                   &model->arena, &model->whiten, error));
        FERRY_TRY(measure_content(f, blocks, error));
    }
    for (size_t d = 0; d < f->count; d++) { /* each by what its own texts have in common */
        model->domains[d].whiten = model->whiten;
        if (f->count > 1 || source != NULL)
            FERRY_TRY(ferry_whiten_fit(model->kernels, &blocks[d], &rows[d], 1, model->whiten.N,
                                       model->whiten.K, FERRY_WHITEN_POWER, &model->arena,
                                       &model->domains[d].whiten, error));
    }
    return FERRY_OK;
}

/* ---- neighbours ---- */

static ferry_status fit_neighbors(fitting *f, size_t d, ferry_error *error)
{
    const ferry_training_events *e = &f->events[d];
    ferry_model_domain *dom = &f->model->domains[d];
    ferry_sparse sequences = {e->user_count, dom->items, e->start, e->item, NULL};
    ferry_sequence_options options = FERRY_SEQUENCE_DEFAULTS;
    ferry_neighbors found;
    FERRY_TRY(ferry_neighbors_sequence(&sequences, &options, &f->scratch.allocator, &found, error));
    ferry_status status = ferry_sparse_copy(&found.table, &f->model->arena, &dom->neighbors, error);
    ferry_neighbors_free(&found);
    return status;
}

/* ---- the net ---- */

static ferry_status make_net(fitting *f, ferry_net_config *config, ferry_error *error)
{
    ferry_model *model = f->model;
    const char **names = ferry_arena_array(&f->scratch, f->count, sizeof *names);
    size_t *counts = ferry_arena_array(&f->scratch, f->count, sizeof *counts);
    if (names == NULL || counts == NULL) return no_memory(error);
    for (size_t d = 0; d < f->count; d++) {
        names[d] = model->domains[d].name;
        counts[d] = model->domains[d].items;
    }
    return ferry_net_create(&model->arena.allocator, config, names, counts, f->count,
                            f->options->train.seed, &model->net, error);
}

/* Rows of the behaviours that both know, by name. */
static void take_behaviors(const ferry_model *source, ferry_model *model)
{
    size_t d = model->net->config.sequence.dim;
    const float *from = source->net->parameters + source->net->behavior;
    float *to = model->net->parameters + model->net->behavior;
    for (size_t b = 0; b < model->net->config.behaviors; b++)
        for (size_t s = 0; s < source->net->config.behaviors; s++)
            if (strcmp(model->behaviors[b], source->behaviors[s]) == 0)
                memcpy(to + b * d, from + s * d, d * sizeof *to);
}

/* What the source's net has under the same names and of the same shapes, into ours; ids only of
 * the same catalogue, whose items they are. */
static void begin_from_source(const ferry_model *source, ferry_model *model)
{
    ferry_net *net = model->net;
    size_t end = source->catalog == model->catalog ? source->net->size : source->net->ids;
    bool same_dim = source->net->config.sequence.dim == net->config.sequence.dim;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const ferry_net_tensor *to = &net->tensor[i];
        const ferry_net_tensor *from = ferry_net_find(source->net, to->name);
        bool behaviors = net->config.behaviors > 0 && to->offset == net->behavior;
        if (from == NULL || from->offset >= end) continue;
        if (behaviors && same_dim)
            take_behaviors(source, model);
        else if (from->rows == to->rows && from->columns == to->columns)
            memcpy(net->parameters + to->offset, source->net->parameters + from->offset,
                   to->count * sizeof(float));
    }
}

/* Ids that are not to be trained say nothing, rather than noise. */
static void clear_ids(ferry_net *net)
{
    for (size_t d = 0; d < net->domain_count && net->config.ids; d++)
        memset(net->parameters + net->domain[d].ids, 0,
               net->domain[d].item_count * net->config.sequence.dim * sizeof(float));
}

static ferry_status net_domain(fitting *f, size_t d, ferry_train_domain *out, ferry_error *error)
{
    const ferry_training_events *e = &f->events[d];
    const float *vectors;
    float *content = NULL;
    size_t C = f->model->net->config.content_dim;
    FERRY_TRY(ferry_model_vectors(f->model, d, &f->scratch, &vectors, error));
    if (C > 0)
        FERRY_TRY(ferry_model_content(f->model, vectors, f->model->domains[d].items, C, &f->scratch,
                                      &content, error));
    *out = (ferry_train_domain){.domain = d,
                                .content = content,
                                .user_count = e->user_count,
                                .start = e->start,
                                .item = e->item,
                                .behavior = e->behavior,
                                .value = e->value,
                                .timestamp = e->timestamp};
    return FERRY_OK;
}

static ferry_status validate(void *user, const ferry_net *net, double *metric, ferry_error *error)
{
    (void)error;
    ferry_validation_run(((fitting *)user)->validation, net, metric);
    return FERRY_OK;
}

/* The trainer's callbacks have one user: ours go between, to ask for the caller's. */
static bool forward_progress(void *user, const ferry_train_progress *progress)
{
    const ferry_train_options *options = &((fitting *)user)->options->train;
    return options->progress == NULL || options->progress(options->user, progress);
}

static double forward_seconds(void *user)
{
    const ferry_train_options *options = &((fitting *)user)->options->train;
    return options->seconds(options->user);
}

static ferry_status forward_checkpoint(void *user, const void *bytes, size_t size,
                                       ferry_error *error)
{
    const ferry_train_options *options = &((fitting *)user)->options->train;
    return options->checkpoint(options->user, bytes, size, error);
}

static ferry_status train_net(fitting *f, ferry_train_options options,
                              const ferry_train_domain *domains, ferry_error *error)
{
    ferry_net *net = f->model->net;
    const float **content = ferry_arena_array(&f->scratch, f->count, sizeof *content);
    if (content == NULL) return no_memory(error);
    for (size_t d = 0; d < f->count; d++) content[d] = domains[d].content;
    FERRY_TRY(ferry_validation_create(
        net, f->dataset, f->domains, content, (f->validation_users + 1) / 2, options.seed,
        f->model->kernels, options.pool, &f->scratch.allocator, &f->validation, error));
    options.progress = forward_progress;
    if (options.seconds != NULL) options.seconds = forward_seconds;
    if (options.checkpoint != NULL) options.checkpoint = forward_checkpoint;
    /* Without patience the last step's parameters stand: the rate has come down by then, and the
     * best of twelve looks at a thousand users is mostly chance. */
    bool has_users = ferry_validation_users(f->validation) > 0;
    if (options.patience > 0 && has_users) options.validate = validate;
    options.kernels = f->model->kernels->name;
    options.user = f;
    ferry_status status = ferry_train(net, domains, f->count, &options, &f->report->net, error);
    ferry_train_progress *last = &f->report->net.last;
    if (status == FERRY_OK && options.validate == NULL && has_users) {
        ferry_validation_run(f->validation, net, &last->metric);
        last->best_metric = last->metric;
        last->best_epoch = last->epoch;
    }
    ferry_validation_close(f->validation);
    return status;
}

/* Items that nobody had were only ever pushed away, as drawn negatives: what their ids learned of
 * that says nothing. Without it they are what their content is. */
static void forget_cold_ids(fitting *f, size_t d)
{
    const ferry_model_domain *dom = &f->model->domains[d];
    ferry_net *net = f->model->net;
    size_t dim = net->config.sequence.dim;
    for (size_t i = 0; i < dom->items && net->config.ids && net->config.content_dim > 0; i++)
        if (dom->popularity[i] <= 0.0f)
            memset(net->parameters + net->domain[d].ids + i * dim, 0, dim * sizeof(float));
}

static ferry_status fit_net(fitting *f, ferry_error *error)
{
    ferry_net_config config = f->net;
    ferry_train_options options = f->options->train;
    size_t behaviors = f->dataset->behavior_count;
    if (config.behaviors > 0 || behaviors > 1) config.behaviors = behaviors; /* the data's names */
    FERRY_TRY(make_net(f, &config, error));
    ferry_net *net = f->model->net;
    if (f->options->source != NULL && f->options->source->net != NULL) {
        begin_from_source(f->options->source, f->model);
        if (options.trainable == FERRY_TRAIN_ADAPTERS) clear_ids(net);
        float *source = ferry_arena_array(&f->scratch, net->size, sizeof *source);
        if (source == NULL) return no_memory(error);
        memcpy(source, net->parameters, net->size * sizeof *source);
        options.source = source;
    }
    ferry_train_domain *domains = ferry_arena_array(&f->scratch, f->count, sizeof *domains);
    if (domains == NULL) return no_memory(error);
    for (size_t d = 0; d < f->count; d++) FERRY_TRY(net_domain(f, d, &domains[d], error));
    FERRY_TRY(stage(f, "net", f->count, error));
    FERRY_TRY(train_net(f, options, domains, error));
    for (size_t d = 0; d < f->count; d++) {
        forget_cold_ids(f, d);
        FERRY_TRY(ferry_model_prepare_net(f->model, d, error));
    }
    return FERRY_OK;
}

/* ---- all ---- */

static ferry_status copy_behaviors(fitting *f, ferry_error *error)
{
    size_t count = f->dataset->behavior_count;
    const char **names = ferry_arena_array(&f->model->arena, count, sizeof *names);
    if (names == NULL) return no_memory(error);
    for (size_t b = 0; b < count; b++) {
        const char *name = f->dataset->behaviors[b];
        names[b] = ferry_arena_text(&f->model->arena, name, strlen(name));
        if (names[b] == NULL) return no_memory(error);
    }
    f->model->behaviors = names;
    f->model->behavior_count = count;
    return FERRY_OK;
}

static ferry_status fit(fitting *f, ferry_error *error)
{
    const ferry_fit_options *options = f->options;
    ferry_pool *pool = options->train.pool;
    FERRY_TRY(copy_behaviors(f, error));
    FERRY_TRY(add_domains(f, error));
    FERRY_TRY(fit_texts(f, error));
    for (size_t d = 0; d < f->count; d++) {
        FERRY_TRY(stage(f, "neighbors", d, error));
        FERRY_TRY(count_popularity(f, d, error));
        FERRY_TRY(ferry_model_prepare_text(f->model, d, true, error));
        FERRY_TRY(fit_neighbors(f, d, error));
    }
    if (!options->without_net) FERRY_TRY(fit_net(f, error));
    for (size_t d = 0; d < f->count && f->count > 1 && !options->without_across; d++) {
        FERRY_TRY(stage(f, "across", d, error));
        FERRY_TRY(ferry_fit_across(f->model, f->events, d, options->train.seed, pool, error));
    }
    if (options->default_mix) return FERRY_OK;
    FERRY_TRY(stage(f, "mix", f->count, error));
    return ferry_fit_mix(f->model, f->dataset, f->domains, options->mix != NULL,
                         f->validation_users, options->train.seed, pool, f->report, error);
}

ferry_status ferry_fit(const ferry_dataset *dataset, const ferry_catalog *catalog,
                       const size_t *domains, size_t count, const ferry_fit_options *options,
                       ferry_model **out, ferry_fit_report *report, ferry_error *error)
{
    ferry_fit_report none;
    *out = NULL;
    if (count == 0) return ferry_fail(error, FERRY_INVALID_ARGUMENT, "no domain to train on");
    fitting f = {.dataset = dataset,
                 .domains = domains,
                 .count = count,
                 .options = options,
                 .validation_users = options->validation_users,
                 .net = options->net,
                 .report = report != NULL ? report : &none};
    *f.report = (ferry_fit_report){0};
    if (f.validation_users == 0) f.validation_users = VALIDATION_USERS;
    FERRY_TRY(ferry_model_create(catalog, &f.model, error));
    ferry_arena_init(&f.scratch, catalog->allocator);
    ferry_status status = fit(&f, error);
    ferry_arena_free(&f.scratch);
    if (status != FERRY_OK) {
        ferry_model_close(f.model);
        return status;
    }
    *out = f.model;
    return FERRY_OK;
}
