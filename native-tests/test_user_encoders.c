/*
 * LSTM, GRU and the causal transformer, forwards and backwards: against torch, against finite
 * differences, and bit for bit between variants.
 */
#include "golden.h"

#include <math.h>

#include "recsys/dropout.h"
#include "recsys/net.h"
#include "recsys/user_encoders.h"
#include "train/sequence_gradient.h"
#include "train/user_recurrent_backward.h"
#include "train/user_transformer_backward.h"

/*
 * Against torch in f64: the largest difference, relative to the tensor's largest number. An f32
 * unit is 6e-8; the sums here have up to 50 terms of several layers of such, and 12 times a
 * unit is 7e-7. What is found is printed; a wrong formula is off by 1e-2 and more.
 */
static const double ALLOWED = 2e-6;

enum { MAX_VARIANTS = 8, MAX_PARAMETERS = 48, MAX_SEQUENCES = 8 };

static const ferry_kernels *variants[MAX_VARIANTS];
static size_t variant_count;
static ferry_arena arena;
static char *golden_bytes;
static ferry_safetensors golden;

static int open_golden(void **state)
{
    (void)state;
    size_t size;
    ferry_error error;
    variant_count = ferry_kernels_available(variants, MAX_VARIANTS);
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    golden_bytes = read_file(golden_path("user_encoders.safetensors"), &size);
    ferry_file file = {"user_encoders.safetensors", golden_bytes, size};
    return ferry_safetensors_open(&file, &arena, &golden, &error) == FERRY_OK ? 0 : -1;
}

static int close_golden(void **state)
{
    (void)state;
    ferry_arena_free(&arena);
    free(golden_bytes);
    return 0;
}

typedef struct parameter {
    char name[64];
    size_t count;
    float *value, *gradient;
} parameter;

typedef struct encoder {
    char name[32];
    bool recurrent;
    ferry_recurrent rnn, rnn_gradients;
    ferry_user_transformer transformer, transformer_gradients;
    parameter parameter[MAX_PARAMETERS];
    size_t parameter_count;
    size_t starts[MAX_SEQUENCES + 1], S, P, K, H; /* x [P, K], y [P, H] */
    float *x, *dy, *masks, *panels;
    float *y, *dx;
    void *saved, *scratch, *backward_scratch;
    size_t saved_size, scratch_size, backward_size;
} encoder;

static const ferry_tensor *find(const encoder *e, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s%s", e->name, prefix, name);
    return ferry_safetensors_find(&golden, full);
}

static const float *floats_of(const encoder *e, const char *prefix, const char *name, size_t count)
{
    const ferry_tensor *tensor = find(e, prefix, name);
    const float *floats;
    if (tensor == NULL) fail_msg("no %s.%s%s", e->name, prefix, name);
    assert_int_equal(tensor->count, count);
    assert_int_equal(ferry_tensor_as_f32(tensor, &arena, &floats, NULL), FERRY_OK);
    return floats;
}

static float *new_floats(size_t count)
{
    float *floats = ferry_arena_array(&arena, count, sizeof *floats);
    assert_non_null(floats);
    return floats;
}

static float *copy_of(const encoder *e, const char *name, size_t count)
{
    float *copy = new_floats(count);
    memcpy(copy, floats_of(e, "", name, count), count * sizeof *copy);
    return copy;
}

static void add_parameter(encoder *e, const char *name, size_t count, float **value,
                          float **gradient)
{
    assert_true(e->parameter_count < MAX_PARAMETERS);
    parameter *p = &e->parameter[e->parameter_count++];
    snprintf(p->name, sizeof p->name, "%s", name);
    p->count = count;
    p->value = *value = copy_of(e, name, count);
    p->gradient = *gradient = new_floats(count);
}

static void read_sequences(encoder *e)
{
    e->S = find(e, "", "lengths")->count;
    assert_true(e->S <= MAX_SEQUENCES);
    const float *lengths = floats_of(e, "", "lengths", e->S);
    for (size_t s = 0; s < e->S; s++) e->starts[s + 1] = e->starts[s] + (size_t)lengths[s];
    e->P = e->starts[e->S];
    e->K = find(e, "", "x")->shape[1];
    e->H = find(e, "", "dy")->shape[1];
    e->x = copy_of(e, "x", e->P * e->K);
    e->dy = copy_of(e, "dy", e->P * e->H);
    const ferry_tensor *masks = find(e, "", "masks");
    if (masks != NULL) e->masks = copy_of(e, "masks", masks->count);
    e->y = new_floats(e->P * e->H);
    e->dx = new_floats(e->P * e->K);
}

static void read_recurrent(encoder *e, ferry_recurrent_kind kind, size_t layers)
{
    static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    e->recurrent = true;
    e->rnn = (ferry_recurrent){.kind = kind, .input = e->K, .hidden = e->H, .layers = layers};
    e->rnn_gradients = e->rnn;
    for (size_t l = 0; l < layers; l++) {
        ferry_recurrent_layer *p = &e->rnn.layer[l], *g = &e->rnn_gradients.layer[l];
        size_t N = (size_t)kind * e->H;
        float **values[] = {&p->weight_ih, &p->weight_hh, &p->bias_ih, &p->bias_hh};
        float **gradients[] = {&g->weight_ih, &g->weight_hh, &g->bias_ih, &g->bias_hh};
        size_t counts[] = {N * (l == 0 ? e->K : e->H), N * e->H, N, N};
        for (size_t i = 0; i < 4; i++) {
            char name[32];
            snprintf(name, sizeof name, "%s_l%zu", names[i], l);
            add_parameter(e, name, counts[i], values[i], gradients[i]);
        }
    }
    assert_true(ferry_recurrent_saved_size(&e->rnn, e->P, e->S, &e->saved_size));
    assert_true(ferry_recurrent_scratch_size(&e->rnn, e->P, e->S, &e->scratch_size));
    assert_true(ferry_recurrent_backward_size(&e->rnn, e->P, e->S, &e->backward_size));
    size_t panels;
    assert_true(ferry_recurrent_panels_size(&e->rnn, &panels));
    e->panels = new_floats(panels);
}

static void read_transformer(encoder *e, size_t heads, size_t inner, size_t distances,
                             size_t layers)
{
    static const char *const names[] = {"norm1.weight", "norm1.bias", "qkv.weight",   "qkv.bias",
                                        "out.weight",   "out.bias",   "norm2.weight", "norm2.bias",
                                        "up.weight",    "up.bias",    "down.weight",  "down.bias",
                                        "relative"};
    size_t d = e->K, F = inner;
    size_t counts[] = {d,     d, 3 * d * d,        3 * d, d * d, d, d, d, F * d, F,
                       d * F, d, heads * distances};
    e->transformer = (ferry_user_transformer){
        .dim = d, .heads = heads, .inner = inner, .distances = distances, .layers = layers};
    e->transformer_gradients = e->transformer;
    for (size_t l = 0; l < layers; l++) {
        ferry_user_block *p = &e->transformer.block[l], *g = &e->transformer_gradients.block[l];
        float **values = (float **)p, **gradients = (float **)g; /* pointers one behind another */
        assert_int_equal(sizeof *p, 13 * sizeof(float *));
        for (size_t i = 0; i < 13; i++) {
            char name[32];
            snprintf(name, sizeof name, "%zu.%s", l, names[i]);
            add_parameter(e, name, counts[i], &values[i], &gradients[i]);
        }
    }
    const ferry_user_transformer *net = &e->transformer;
    size_t longest = ferry_longest_sequence(e->starts, e->S);
    assert_true(ferry_user_transformer_saved_size(net, e->P, longest, &e->saved_size));
    assert_true(ferry_user_transformer_scratch_size(net, e->P, longest, 1, &e->scratch_size));
    assert_true(ferry_user_transformer_backward_size(net, e->P, longest, 1, &e->backward_size));
    size_t panels;
    assert_true(ferry_user_transformer_panels_size(net, &panels));
    e->panels = new_floats(panels);
}

static void *block_of(size_t size)
{
    void *block = ferry_arena_array(&arena, size, 1);
    assert_non_null(block);
    memset(block, 0xFF, size); /* NaNs: nothing may be read before it is written */
    return block;
}

static void read_encoder(encoder *e, const char *name)
{
    *e = (encoder){0};
    snprintf(e->name, sizeof e->name, "%s", name);
    read_sequences(e);
    if (strcmp(name, "transformer1") == 0)
        read_transformer(e, 2, 16, 4, 1);
    else if (strcmp(name, "transformer2") == 0)
        read_transformer(e, 3, 14, 24, 2);
    else if (strcmp(name, "transformer3") == 0)
        read_transformer(e, 1, 8, 20, 1);
    else
        read_recurrent(e, name[0] == 'l' ? FERRY_LSTM : FERRY_GRU,
                       (size_t)(name[strlen(name) - 1] - '0'));
    e->saved = block_of(e->saved_size);
    e->scratch = block_of(e->scratch_size);
    e->backward_scratch = block_of(e->backward_size);
}

static void forward(const encoder *e, const ferry_kernels *kernels, bool save, float *y)
{
    void *saved = save ? e->saved : NULL;
    if (e->recurrent) {
        ferry_recurrent_pack(&e->rnn, e->panels);
        ferry_recurrent_forward(kernels, NULL, &e->rnn, e->panels, e->x, e->starts, e->S, e->masks,
                                y, saved, e->scratch);
    } else {
        ferry_user_transformer_pack(&e->transformer, e->panels);
        ferry_user_transformer_forward(kernels, NULL, &e->transformer, e->panels, e->x, e->starts,
                                       e->S, e->masks, y, saved, e->scratch);
    }
}

static void add_gradients(const encoder *e, const ferry_kernels *kernels)
{
    if (e->recurrent)
        ferry_recurrent_backward(kernels, NULL, &e->rnn, &e->rnn_gradients, e->starts, e->S,
                                 e->masks, e->dy, e->dx, e->saved, e->backward_scratch);
    else
        ferry_user_transformer_backward(kernels, NULL, &e->transformer, &e->transformer_gradients,
                                        e->starts, e->S, e->masks, e->dy, e->dx, e->saved,
                                        e->backward_scratch);
}

static void backward(const encoder *e, const ferry_kernels *kernels)
{
    for (size_t i = 0; i < e->parameter_count; i++)
        memset(e->parameter[i].gradient, 0, e->parameter[i].count * sizeof(float));
    add_gradients(e, kernels);
}

static const char *const all[] = {"lstm1", "lstm2",        "lstm4",        "gru1",        "gru2",
                                  "gru4",  "transformer1", "transformer2", "transformer3"};
enum { ALL = sizeof all / sizeof *all };

/* ---- torch ---- */

/* Returns the difference relative to the largest number, and fails past ALLOWED. */
static double compare(const encoder *e, const char *prefix, const char *name, const float *found,
                      size_t count)
{
    const float *expected = floats_of(e, prefix, name, count);
    double difference = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        double d = fabs((double)found[i] - (double)expected[i]);
        if (!(d <= difference)) difference = d; /* a NaN stays */
    }
    assert_true(largest > 0);
    if (!(difference <= ALLOWED * largest))
        fail_msg("%s: %s%s differs by %g of %g", e->name, prefix, name, difference, largest);
    return difference / largest;
}

static void same_as_torch(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        encoder e;
        read_encoder(&e, all[i]);
        forward(&e, variants[variant_count - 1], true, e.y);
        backward(&e, variants[variant_count - 1]);
        double output = compare(&e, "", "y", e.y, e.P * e.H);
        double worst = compare(&e, "", "dx", e.dx, e.P * e.K);
        for (size_t p = 0; p < e.parameter_count; p++) {
            const parameter *own = &e.parameter[p];
            if (strstr(own->name, "qkv.bias") != NULL) {
                /* a bias of the keys moves all of a query's scores alike: its gradient is zero */
                size_t d = own->count / 3;
                const float *expected = floats_of(&e, "grad.", own->name, own->count);
                for (size_t n = d; n < 2 * d; n++)
                    assert_true(fabsf(own->gradient[n]) < 1e-5f && fabsf(expected[n]) < 1e-5f);
            }
            worst = fmax(worst, compare(&e, "grad.", own->name, own->gradient, own->count));
        }
        print_message("%s: y %.1e, gradients %.1e of the largest\n", e.name, output, worst);
    }
}

/* ---- finite differences ---- */

typedef double loss_function(void *context);

static double loss(void *context)
{
    encoder *e = context;
    double sum = 0;
    forward(e, variants[variant_count - 1], false, e->y);
    for (size_t i = 0; i < e->P * e->H; i++) sum += (double)e->y[i] * (double)e->dy[i];
    return sum;
}

static double sign_of(size_t i)
{
    return (i * 2654435761u >> 7 & 1) == 0 ? 1 : -1;
}

/* (loss(v + h) - loss(v - h)) / 2 h along a fixed direction of ±1 */
static double difference(float *value, const float *before, size_t count, double h,
                         loss_function *function, void *context)
{
    double sides[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++)
            value[i] = before[i] + (float)(side == 0 ? h * sign_of(i) : -h * sign_of(i));
        sides[side] = function(context);
    }
    return (sides[0] - sides[1]) / (2 * h);
}

/* Against gradient . direction, numbers of 1 to 40. Two differences, so that their own error is of
 * h^4; the loss, some 50, is rounded to a few 1e-6, which 2 h makes 1e-3. */
static void check_slope(const char *of, const char *name, float *value, const float *gradient,
                        size_t count, loss_function *function, void *context)
{
    const double h = 1.0 / 128;
    float *before = new_floats(count);
    memcpy(before, value, count * sizeof *value);
    double near = difference(value, before, count, h, function, context);
    double far = difference(value, before, count, 2 * h, function, context);
    double found = (4 * near - far) / 3, slope = 0;
    memcpy(value, before, count * sizeof *value);
    for (size_t i = 0; i < count; i++) slope += (double)gradient[i] * sign_of(i);
    if (!(fabs(found - slope) <= 3e-3))
        fail_msg("%s: %s slopes %g by its gradient, %g by differences", of, name, slope, found);
}

static void gradients_are_slopes(void **state)
{
    static const char *const cases[] = {"lstm2", "gru2", "transformer2"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        encoder e;
        read_encoder(&e, cases[i]);
        forward(&e, variants[variant_count - 1], true, e.y);
        backward(&e, variants[variant_count - 1]);
        check_slope(e.name, "x", e.x, e.dx, e.P * e.K, loss, &e);
        for (size_t p = 0; p < e.parameter_count; p++)
            check_slope(e.name, e.parameter[p].name, e.parameter[p].value, e.parameter[p].gradient,
                        e.parameter[p].count, loss, &e);
    }
}

/* ---- bits ---- */

static void same_bits_in_all_variants(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        encoder e, other;
        read_encoder(&e, all[i]);
        read_encoder(&other, all[i]);
        forward(&e, variants[0], true, e.y);
        backward(&e, variants[0]);
        for (size_t v = 1; v < variant_count; v++) {
            forward(&other, variants[v], true, other.y);
            backward(&other, variants[v]);
            assert_memory_equal(e.y, other.y, e.P * e.H * sizeof *e.y);
            assert_memory_equal(e.dx, other.dx, e.P * e.K * sizeof *e.dx);
            for (size_t p = 0; p < e.parameter_count; p++)
                assert_memory_equal(e.parameter[p].gradient, other.parameter[p].gradient,
                                    e.parameter[p].count * sizeof(float));
        }
    }
}

static void serving_has_the_bits_of_training(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        encoder e;
        read_encoder(&e, all[i]);
        forward(&e, variants[variant_count - 1], true, e.y);
        float *y = new_floats(e.P * e.H);
        forward(&e, variants[variant_count - 1], false, y);
        assert_memory_equal(e.y, y, e.P * e.H * sizeof *y);
    }
}

/* Each sequence by itself, and without its last row: what is packed beside it, and what comes
 * later, changes no bit. */
static void rows_depend_on_their_past_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        encoder e;
        read_encoder(&e, all[i]);
        e.masks = NULL; /* they lie by all the rows */
        forward(&e, variants[variant_count - 1], false, e.y);
        for (size_t s = 0; s < e.S; s++) {
            for (size_t cut = 0; cut < 2; cut++) {
                encoder one = e;
                size_t rows = e.starts[s + 1] - e.starts[s] - cut;
                if (rows == 0) continue;
                one.S = 1, one.P = rows;
                one.starts[0] = 0, one.starts[1] = rows;
                one.x = e.x + e.starts[s] * e.K;
                float *y = new_floats(rows * e.H);
                forward(&one, variants[variant_count - 1], false, y);
                assert_memory_equal(y, e.y + e.starts[s] * e.H, rows * e.H * sizeof *y);
            }
        }
    }
}

/* Gradients are added to what is there; sequences of no rows, and none at all, do nothing. */
static void gradients_accumulate(void **state)
{
    static const char *const cases[] = {"lstm1", "gru1", "transformer1"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        encoder e, other;
        read_encoder(&e, cases[i]);
        read_encoder(&other, cases[i]);
        const ferry_kernels *kernels = variants[variant_count - 1];
        forward(&e, kernels, true, e.y);
        backward(&e, kernels);
        /* the same sequences in two calls, and an empty one between the others */
        size_t all_starts[MAX_SEQUENCES + 1], S = other.S, half = S / 2;
        float *x = other.x, *dy = other.dy;
        memcpy(all_starts, other.starts, sizeof all_starts);
        for (size_t part = 0; part < 2; part++) {
            size_t first = part == 0 ? 0 : half, count = part == 0 ? half : S - half;
            other.starts[0] = other.starts[1] = 0;
            for (size_t s = 0; s < count; s++)
                other.starts[s + 2] = all_starts[first + s + 1] - all_starts[first];
            other.S = count + 1;
            other.P = other.starts[other.S];
            other.x = x + all_starts[first] * e.K;
            other.dy = dy + all_starts[first] * e.H;
            forward(&other, kernels, true, other.y);
            add_gradients(&other, kernels);
            assert_memory_equal(other.y, e.y + all_starts[first] * e.H,
                                other.P * e.H * sizeof *e.y);
            assert_memory_equal(other.dx, e.dx + all_starts[first] * e.K,
                                other.P * e.K * sizeof *e.dx);
        }
        for (size_t p = 0; p < e.parameter_count; p++)
            compare(&e, "grad.", e.parameter[p].name, other.parameter[p].gradient,
                    e.parameter[p].count);
        other.S = 1, other.P = 0;
        other.starts[0] = other.starts[1] = 0;
        forward(&other, kernels, true, other.y);
        backward(&other, kernels);
        for (size_t p = 0; p < e.parameter_count; p++)
            for (size_t k = 0; k < e.parameter[p].count; k++)
                assert_true(other.parameter[p].gradient[k] == 0.0f);
    }
}

/* ---- as the net's sequence encoders ---- */

enum { NET_DIM = 8, NET_ROWS = 24, MANY = 300 /* sequences: several parts of everything */ };

typedef struct net_run {
    ferry_net *net;
    ferry_sequence_run run;
    const ferry_sequence_encoder *encoder;
    float *x, *y, *dy, *dx, *saved, *gradients, *scratch;
    size_t tensors, size; /* the encoder's tensors, and the floats they take */
} net_run;

static const size_t net_starts[] = {0, 7, 8, 8, 17, NET_ROWS};
enum { NET_SEQUENCES = sizeof net_starts / sizeof *net_starts - 1 };

/* A net whose weights are drawn, packed rows, and memory full of NaNs for its encoder. */
static void open_net_of(net_run *r, ferry_sequence_kind kind, size_t layers, float dropout,
                        ferry_pool *pool, const size_t *starts, size_t S)
{
    size_t P = starts[S];
    ferry_error error;
    ferry_net_config config = ferry_net_config_default();
    config.sequence = (ferry_sequence_shape){kind, NET_DIM, layers, 2, 12, 9};
    const char *domain = "one";
    size_t items = 3, saved, scratch;
    *r = (net_run){.dx = new_floats(P * NET_DIM), .y = new_floats(P * NET_DIM)};
    if (ferry_net_create(NULL, &config, &domain, &items, 1, 7, &r->net, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < r->net->tensor_count; i++) {
        const ferry_net_tensor *tensor = &r->net->tensor[i];
        if (strncmp(tensor->name, "lstm.", 5) != 0 && strncmp(tensor->name, "gru.", 4) != 0 &&
            strncmp(tensor->name, "transformer.", 12) != 0)
            continue;
        r->tensors++;
        r->size = tensor->offset + ferry_tensor_room(tensor->count) - r->net->sequence;
        for (size_t k = 0; k < tensor->count; k++) /* relative begins at 0: give it values */
            r->net->parameters[tensor->offset + k] += 0.1f * (float)((k * 7 + i) % 11) - 0.5f;
    }
    r->encoder = ferry_sequence_encoder_of(kind);
    const ferry_sequence_shape *shape = &r->net->config.sequence;
    size_t threads = ferry_pool_threads(pool);
    assert_true(r->encoder->saved(shape, P, S, threads, &saved));
    assert_true(ferry_sequence_gradient_of(kind)->scratch(shape, P, S, threads, &scratch));
    r->saved = block_of(saved * sizeof *r->saved);
    r->scratch = block_of(scratch * sizeof *r->scratch);
    r->gradients = new_floats(r->size);
    r->x = new_floats(P * NET_DIM);
    r->dy = new_floats(P * NET_DIM);
    for (size_t i = 0; i < P * NET_DIM; i++) {
        r->x[i] = (float)(i * 37 % 101) / 50 - 1;
        r->dy[i] = (float)(i * 53 % 89) / 44 - 1;
    }
    r->run = (ferry_sequence_run){.kernels = variants[variant_count - 1],
                                  .pool = pool,
                                  .shape = shape,
                                  .parameters = r->net->parameters + r->net->sequence,
                                  .starts = starts,
                                  .sequences = S,
                                  .dropout = dropout,
                                  .dropout_key = 99};
}

static void open_net(net_run *r, ferry_sequence_kind kind, size_t layers, float dropout,
                     ferry_pool *pool)
{
    open_net_of(r, kind, layers, dropout, pool, net_starts, NET_SEQUENCES);
}

static double net_loss(void *context)
{
    net_run *r = context;
    double sum = 0;
    r->encoder->forward(&r->run, r->x, r->y, r->saved);
    for (size_t i = 0; i < r->run.starts[r->run.sequences] * NET_DIM; i++)
        sum += (double)r->y[i] * (double)r->dy[i];
    return sum;
}

static const ferry_sequence_kind kinds[] = {FERRY_SEQUENCE_LSTM, FERRY_SEQUENCE_GRU,
                                            FERRY_SEQUENCE_TRANSFORMER};

/* With dropout: the masks are drawn alike in every pass of one key, and backward takes the same. */
static void the_nets_encoders_have_their_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t layers = 1; layers <= 2; layers++) {
            net_run r;
            open_net(&r, kinds[i], layers, layers == 1 ? 0.0f : 0.25f, NULL);
            assert_int_equal(r.tensors, layers * (kinds[i] == FERRY_SEQUENCE_TRANSFORMER ? 13 : 4) +
                                            (kinds[i] == FERRY_SEQUENCE_TRANSFORMER ? 0 : 2));
            net_loss(&r);
            ferry_sequence_gradient_of(kinds[i])->backward(&r.run, r.x, r.saved, r.dy, r.dx,
                                                           r.gradients, r.scratch);
            check_slope("net", "x", r.x, r.dx, NET_ROWS * NET_DIM, net_loss, &r);
            for (size_t t = 0; t < r.net->tensor_count; t++) {
                const ferry_net_tensor *tensor = &r.net->tensor[t];
                if (tensor->offset < r.net->sequence || tensor->offset >= r.net->sequence + r.size)
                    continue;
                check_slope("net", tensor->name, r.net->parameters + tensor->offset,
                            r.gradients + tensor->offset - r.net->sequence, tensor->count, net_loss,
                            &r);
            }
            ferry_net_close(r.net);
        }
    }
}

static void many_sequences(size_t *starts, size_t *P)
{
    starts[0] = 0;
    for (size_t s = 0; s < MANY; s++) starts[s + 1] = starts[s] + s * 7 % 10;
    *P = starts[MANY];
}

static void threads_and_memory_change_no_bit(void **state)
{
    ferry_error error;
    ferry_pool *pool;
    size_t starts[MANY + 1], P;
    (void)state;
    many_sequences(starts, &P);
    assert_int_equal(ferry_pool_create(NULL, 3, &pool, &error), FERRY_OK);
    for (size_t i = 0; i < 3; i++) {
        net_run one, many;
        open_net_of(&one, kinds[i], 2, 0.5f, NULL, starts, MANY);
        open_net_of(&many, kinds[i], 2, 0.5f, pool, starts, MANY);
        net_loss(&one), net_loss(&many);
        const ferry_sequence_gradient *gradient = ferry_sequence_gradient_of(kinds[i]);
        gradient->backward(&one.run, one.x, one.saved, one.dy, one.dx, one.gradients, one.scratch);
        gradient->backward(&many.run, many.x, many.saved, many.dy, many.dx, many.gradients,
                           many.scratch);
        assert_memory_equal(one.y, many.y, P * NET_DIM * sizeof(float));
        assert_memory_equal(one.dx, many.dx, P * NET_DIM * sizeof(float));
        assert_memory_equal(one.gradients, many.gradients, one.size * sizeof(float));
        float first = one.y[NET_DIM];
        one.run.dropout_key++; /* other masks */
        net_loss(&one);
        assert_true(one.y[NET_DIM] != first);
        ferry_net_close(one.net), ferry_net_close(many.net);
    }
    ferry_pool_close(pool);
}

static void in_parts_as_each_alone(void **state)
{
    size_t starts[MANY + 1], P;
    (void)state;
    many_sequences(starts, &P);
    for (size_t i = 0; i < 3; i++) {
        const ferry_sequence_gradient *gradient = ferry_sequence_gradient_of(kinds[i]);
        net_run all_rows;
        open_net_of(&all_rows, kinds[i], 2, 0.0f, NULL, starts, MANY);
        net_loss(&all_rows);
        gradient->backward(&all_rows.run, all_rows.x, all_rows.saved, all_rows.dy, all_rows.dx,
                           all_rows.gradients, all_rows.scratch);
        net_run one = all_rows; /* with a block of gradients of its own, that grows by each */
        one.gradients = new_floats(one.size);
        one.y = new_floats(P * NET_DIM), one.dx = new_floats(P * NET_DIM);
        one.run.sequences = 1;
        for (size_t s = 0; s < MANY; s++) {
            size_t own[] = {0, starts[s + 1] - starts[s]}, at = starts[s] * NET_DIM;
            one.run.starts = own;
            one.encoder->forward(&one.run, one.x + at, one.y + at, one.saved);
            gradient->backward(&one.run, one.x + at, one.saved, one.dy + at, one.dx + at,
                               one.gradients, one.scratch);
        }
        assert_memory_equal(one.y, all_rows.y, P * NET_DIM * sizeof *one.y);
        assert_memory_equal(one.dx, all_rows.dx, P * NET_DIM * sizeof *one.dx);
        for (size_t k = 0; k < one.size; k++) /* another order of sums */
            assert_true(fabsf(one.gradients[k] - all_rows.gradients[k]) <=
                        1e-3f + 1e-5f * fabsf(one.gradients[k]));
        ferry_net_close(all_rows.net);
    }
    /* and the masks, which are drawn in parts, as if in one */
    net_run r;
    open_net_of(&r, FERRY_SEQUENCE_TRANSFORMER, 2, 0.25f, NULL, starts, MANY);
    net_loss(&r);
    ferry_user_transformer_kept kept = ferry_user_transformer_keep(r.run.shape, P, 9, 1, r.saved);
    float *masks = new_floats(P * NET_DIM);
    for (size_t place = 0; place < 4; place++) {
        size_t dropped = 0;
        for (size_t k = 0; k < P * NET_DIM; k++) masks[k] = 1.0f;
        ferry_dropout(masks, 0.25f, ferry_dropout_key(99, place), 0, P * NET_DIM, masks);
        assert_memory_equal(kept.masks + place * P * NET_DIM, masks, P * NET_DIM * sizeof *masks);
        for (size_t k = 0; k < P * NET_DIM; k++) dropped += masks[k] == 0.0f;
        assert_true(fabs((double)dropped / (double)(P * NET_DIM) - 0.25) < 0.02);
    }
    ferry_net_close(r.net);
}

static void shapes_that_cannot_be_are_named(void **state)
{
    static const struct {
        ferry_sequence_shape shape;
        const char *message;
    } wrong[] = {
        {{FERRY_SEQUENCE_GRU, 8, 5, 0, 0, 9}, "gru has 5 layers, expected 1 to 4"},
        {{FERRY_SEQUENCE_LSTM, 8, 0, 0, 0, 9}, "lstm has 0 layers, expected 1 to 4"},
        {{FERRY_SEQUENCE_TRANSFORMER, 8, 1, 3, 8, 9}, "transformer has 3 heads"},
        {{FERRY_SEQUENCE_TRANSFORMER, 8, 1, 0, 8, 9}, "transformer has 0 heads"},
        {{FERRY_SEQUENCE_TRANSFORMER, 8, 1, 2, 0, 9}, "feed_forward 0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ferry_error error;
        ferry_net *net;
        ferry_net_config config = ferry_net_config_default();
        const char *domain = "one";
        size_t items = 3;
        config.sequence = wrong[i].shape;
        assert_int_equal(ferry_net_create(NULL, &config, &domain, &items, 1, 7, &net, &error),
                         FERRY_INVALID_ARGUMENT);
        if (strstr(error.message, wrong[i].message) == NULL) fail_msg("%s", error.message);
    }
}

static void sizes_that_overflow_are_told(void **state)
{
    (void)state;
    size_t bytes, many = SIZE_MAX / 64;
    ferry_recurrent rnn = {.kind = FERRY_GRU, .input = 64, .hidden = 64, .layers = 2};
    assert_false(ferry_recurrent_saved_size(&rnn, many, 1, &bytes));
    assert_false(ferry_recurrent_scratch_size(&rnn, many, 1, &bytes));
    assert_false(ferry_recurrent_backward_size(&rnn, many, 1, &bytes));
    ferry_user_transformer net = {
        .dim = 64, .heads = 2, .inner = 128, .distances = 50, .layers = 1};
    assert_false(ferry_user_transformer_saved_size(&net, many, 50, &bytes));
    assert_false(ferry_user_transformer_scratch_size(&net, many, 50, 1, &bytes));
    assert_false(ferry_user_transformer_backward_size(&net, many, 50, 1, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_torch),
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(same_bits_in_all_variants),
        cmocka_unit_test(serving_has_the_bits_of_training),
        cmocka_unit_test(rows_depend_on_their_past_alone),
        cmocka_unit_test(gradients_accumulate),
        cmocka_unit_test(the_nets_encoders_have_their_gradients),
        cmocka_unit_test(threads_and_memory_change_no_bit),
        cmocka_unit_test(in_parts_as_each_alone),
        cmocka_unit_test(shapes_that_cannot_be_are_named),
        cmocka_unit_test(sizes_that_overflow_are_told),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
