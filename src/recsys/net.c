/* The net's layout and initial values. */
#include "recsys/net.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"

enum { MOST_TENSORS_OF_A_DOMAIN = 5, MOST_TENSORS = 9 + 16 * 16 /* transformer layers */ };

const char *const ferry_sequence_names[FERRY_SEQUENCE_KINDS] = {
#define NAME(name, text) text,
    FERRY_SEQUENCE_LIST(NAME)
#undef NAME
};

ferry_status ferry_sequence_kind_of(const char *name, ferry_sequence_kind *out, ferry_error *error)
{
    for (size_t k = 0; k < FERRY_SEQUENCE_KINDS; k++) {
        if (strcmp(name, ferry_sequence_names[k]) != 0) continue;
        *out = (ferry_sequence_kind)k;
        return FERRY_OK;
    }
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "no user encoder \"%.64s\", expected ema, mean, lstm, gru or transformer",
                      name);
}

ferry_net_config ferry_net_config_default(void)
{
    return (ferry_net_config){
        .sequence = {FERRY_SEQUENCE_EMA, 64, 1, 2, 128, 50}, .content_dim = 128, .ids = true};
}

typedef struct layout {
    ferry_net *net;
    size_t capacity; /* of net->tensor */
} layout;

static ferry_status add_tensor(void *to, const char *name, size_t rows, size_t columns,
                               ferry_initial initial, float scale, ferry_error *error)
{
    layout *l = to;
    ferry_net *net = l->net;
    size_t count = rows == 0 ? 1 : rows, end;
    if ((columns > 0 && !ferry_size_multiply(rows, columns, &count)) ||
        !ferry_size_add(count, FERRY_TENSOR_ALIGNMENT, &end) ||
        !ferry_size_add(net->size, end, &end) || net->tensor_count == l->capacity)
        return ferry_fail(error, FERRY_LIMIT, "the net's tensor \"%s\" [%zu, %zu] is too large",
                          name, rows, columns);
    char *copy = ferry_arena_text(&net->arena, name, strlen(name));
    if (copy == NULL) return ferry_fail_memory(error, "the net's layout");
    net->tensor[net->tensor_count++] =
        (ferry_net_tensor){copy, rows, columns, count, net->size, initial, scale};
    net->size += ferry_tensor_room(count);
    return FERRY_OK;
}

static ferry_status add_shared(layout *l, ferry_error *error)
{
    ferry_net *net = l->net;
    const ferry_net_config *c = &net->config;
    size_t d = c->sequence.dim, C = c->content_dim;
    float bound = C > 0 ? 1.0f / sqrtf((float)C) : 0.0f;
    const struct {
        const char *name;
        size_t rows, columns, *offset;
        ferry_initial initial;
        float scale;
        bool is_there;
    } shared[] = {
        {"input_norm.weight", d, 0, &net->input_norm_weight, FERRY_INITIAL_ONE, 0, true},
        {"input_norm.bias", d, 0, &net->input_norm_bias, FERRY_INITIAL_ZERO, 0, true},
        {"output_norm.weight", d, 0, &net->output_norm_weight, FERRY_INITIAL_ONE, 0, true},
        {"output_norm.bias", d, 0, &net->output_norm_bias, FERRY_INITIAL_ZERO, 0, true},
        {"scale", 0, 0, &net->scale, FERRY_INITIAL_ZERO, 0, true},
        {"content.weight", d, C, &net->content_weight, FERRY_INITIAL_UNIFORM, bound, C > 0},
        {"content.bias", d, 0, &net->content_bias, FERRY_INITIAL_UNIFORM, bound, C > 0},
        {"behavior.weight", c->behaviors, d, &net->behavior, FERRY_INITIAL_NORMAL, 0.02f,
         c->behaviors > 0},
        {"time.weight", c->time_buckets, d, &net->time, FERRY_INITIAL_NORMAL, 0.02f,
         c->time_buckets > 0},
    };
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        if (!shared[i].is_there) continue;
        *shared[i].offset = net->size;
        FERRY_TRY(add_tensor(l, shared[i].name, shared[i].rows, shared[i].columns,
                             shared[i].initial, shared[i].scale, error));
    }
    net->sequence = net->size;
    return ferry_sequence_encoder_of(c->sequence.kind)->tensors(&c->sequence, add_tensor, l, error);
}

static ferry_status add_of_domain(layout *l, const ferry_net_domain *domain, const char *format,
                                  size_t rows, size_t columns, ferry_initial initial, float scale,
                                  ferry_error *error)
{
    char name[512];
    int size = snprintf(name, sizeof name, format, domain->name);
    if (size < 0 || (size_t)size >= sizeof name)
        return ferry_fail(error, FERRY_LIMIT, "the domain's name \"%.64s\" is too long",
                          domain->name);
    return add_tensor(l, name, rows, columns, initial, scale, error);
}

static ferry_status add_adapter(layout *l, ferry_net_domain *domain, ferry_error *error)
{
    const ferry_net_config *c = &l->net->config;
    size_t d = c->sequence.dim, C = c->content_dim, r = c->adapter_rank;
    domain->adapter = l->net->size;
    if (C > 0) {
        domain->item_down = l->net->size;
        FERRY_TRY(add_of_domain(l, domain, "adapter.%s.item.down", r, C, FERRY_INITIAL_UNIFORM,
                                1.0f / sqrtf((float)C), error));
        domain->item_up = l->net->size;
        FERRY_TRY(
            add_of_domain(l, domain, "adapter.%s.item.up", d, r, FERRY_INITIAL_ZERO, 0.0f, error));
    }
    domain->user_down = l->net->size;
    FERRY_TRY(add_of_domain(l, domain, "adapter.%s.user.down", r, d, FERRY_INITIAL_UNIFORM,
                            1.0f / sqrtf((float)d), error));
    domain->user_up = l->net->size;
    FERRY_TRY(
        add_of_domain(l, domain, "adapter.%s.user.up", d, r, FERRY_INITIAL_ZERO, 0.0f, error));
    domain->adapter_end = l->net->size;
    return FERRY_OK;
}

static ferry_status lay_out(ferry_net *net, ferry_error *error)
{
    layout l = {net, MOST_TENSORS + MOST_TENSORS_OF_A_DOMAIN * net->domain_count};
    net->tensor = ferry_arena_array(&net->arena, l.capacity, sizeof *net->tensor);
    if (net->tensor == NULL) return ferry_fail_memory(error, "the net's layout");
    FERRY_TRY(add_shared(&l, error));
    for (size_t i = 0; i < net->domain_count && net->config.adapter_rank > 0; i++)
        FERRY_TRY(add_adapter(&l, &net->domain[i], error));
    net->ids = net->size;
    for (size_t i = 0; i < net->domain_count && net->config.ids; i++) {
        ferry_net_domain *domain = &net->domain[i];
        domain->ids = net->size;
        FERRY_TRY(add_of_domain(&l, domain, "id.%s.weight", domain->item_count,
                                net->config.sequence.dim, FERRY_INITIAL_NORMAL, 0.02f, error));
    }
    net->parameters = ferry_arena_array(&net->arena, net->size, sizeof *net->parameters);
    return net->parameters != NULL ? FERRY_OK : ferry_fail_memory(error, "the net's parameters");
}

static ferry_status check_config(const ferry_net_config *config, size_t domain_count,
                                 ferry_error *error)
{
    const ferry_sequence_shape *shape = &config->sequence;
    if (shape->dim == 0 || shape->dim > 4096)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the net's dim is %zu, expected 1…4096",
                          shape->dim);
    if (shape->max_length == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the net's max_length is 0");
    if (config->content_dim == 0 && !config->ids)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "a net without content and without ids knows no items");
    if (ferry_sequence_encoder_of(shape->kind) == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED, "sequence encoder %d is unknown",
                          (int)shape->kind);
    if (domain_count == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the net has no domain");
    return FERRY_OK;
}

static ferry_status fill(ferry_net *net, const char *const *domains, const size_t *item_counts,
                         ferry_error *error)
{
    net->domain = ferry_arena_array(&net->arena, net->domain_count, sizeof *net->domain);
    if (net->domain == NULL) return ferry_fail_memory(error, "the net's domains");
    for (size_t i = 0; i < net->domain_count; i++) {
        net->domain[i].item_count = item_counts[i];
        net->domain[i].name = ferry_arena_text(&net->arena, domains[i], strlen(domains[i]));
        if (net->domain[i].name == NULL) return ferry_fail_memory(error, "the net's domains");
        if (item_counts[i] == 0 || item_counts[i] > UINT32_MAX / 2)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "domain \"%s\" has %zu items",
                              domains[i], item_counts[i]);
    }
    return lay_out(net, error);
}

ferry_status ferry_net_create(const ferry_allocator *allocator, const ferry_net_config *config,
                              const char *const *domains, const size_t *item_counts,
                              size_t domain_count, uint64_t seed, ferry_net **out,
                              ferry_error *error)
{
    *out = NULL;
    FERRY_TRY(check_config(config, domain_count, error));
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    ferry_net *net = ferry_arena_array(&arena, 1, sizeof *net);
    if (net == NULL) return ferry_fail_memory(error, "the net");
    net->arena = arena;
    net->config = *config;
    net->domain_count = domain_count;
    ferry_status status = fill(net, domains, item_counts, error);
    if (status != FERRY_OK) {
        ferry_net_close(net);
        return status;
    }
    ferry_net_initialize(net, seed);
    *out = net;
    return FERRY_OK;
}

void ferry_net_close(ferry_net *net)
{
    if (net == NULL) return;
    ferry_arena arena = net->arena; /* net lies in it */
    ferry_arena_free(&arena);
}

static void initialize(const ferry_net_tensor *tensor, ferry_random *random, float *w)
{
    size_t count = tensor->count;
    float scale = tensor->initial_scale, last = count > 1 ? (float)(count - 1) : 1.0f;
    switch (tensor->initial) {
    case FERRY_INITIAL_ZERO: break; /* as the block is */
    case FERRY_INITIAL_ONE:
        for (size_t k = 0; k < count; k++) w[k] = 1.0f;
        break;
    case FERRY_INITIAL_UNIFORM: ferry_random_fill(random, scale, w, count); break;
    case FERRY_INITIAL_NORMAL:
        for (size_t k = 0; k < count; k++) w[k] = ferry_random_normal(random) * scale;
        break;
    case FERRY_INITIAL_RAMP:
        for (size_t k = 0; k < count; k++) w[k] = -1.0f + 3.0f * ((float)k / last);
        break;
    }
}

void ferry_net_initialize(ferry_net *net, uint64_t seed)
{
    memset(net->parameters, 0, net->size * sizeof *net->parameters);
    for (size_t i = 0; i < net->tensor_count; i++) {
        const ferry_net_tensor *tensor = &net->tensor[i];
        ferry_random random;
        size_t length = strlen(tensor->name);
        ferry_random_seed(&random, seed,
                          ferry_hash_portably(FERRY_FNV_BEGIN, tensor->name, length));
        initialize(tensor, &random, net->parameters + tensor->offset);
    }
}

const ferry_net_tensor *ferry_net_find(const ferry_net *net, const char *name)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        if (strcmp(net->tensor[i].name, name) == 0) return &net->tensor[i];
    }
    return NULL;
}
