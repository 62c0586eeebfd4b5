/*
 * What rounding weights to int8 shifts a channel by, on the average, and how that is taken back.
 *
 * The inputs of a block's last convolution are not negative, so the errors of its weights do not
 * cancel out: sum_k error[n, k] mean(x[k]) moves channel n in every pixel of every picture. What
 * the mean of x[k] is, the batch norm before says: x = ReLU6(z), z of its bias and weight for mean
 * and deviation, taken as normal. No pictures are needed. docs/int8.md has what it gains.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "encode/efficientnet.h"
#include "math/elementary.h"

enum { MAX_NAME = 96 };

static double below(double z)
{
    return 0.5 * (1.0 + (double)ferry_erf((float)(z * 0.70710678118654752)));
}

static double density(double z)
{
    return 0.39894228040143268 * (double)ferry_exp((float)(-0.5 * z * z));
}

/* Of ReLU6(z), z normal. */
static double mean_of_relu6(double mean, double deviation)
{
    const double top = 6.0;
    deviation = fabs(deviation) > 1e-6 ? fabs(deviation) : 1e-6;
    double a = -mean / deviation, b = (top - mean) / deviation;
    return mean * (below(b) - below(a)) + deviation * (density(a) - density(b)) +
           top * (1.0 - below(b));
}

static ferry_status read_vector(const ferry_safetensors *tensors, const char *norm,
                                const char *part, size_t N, ferry_arena *arena, const float **out,
                                ferry_error *error)
{
    char name[2 * MAX_NAME];
    snprintf(name, sizeof name, "%s.%s", norm, part);
    const ferry_tensor *tensor = ferry_safetensors_find(tensors, name);
    if (tensor == NULL || tensor->count != N)
        return ferry_fail(error, FERRY_MALFORMED, "tensor \"%s\" is missing, or not of %zu numbers",
                          name, N);
    return ferry_tensor_as_f32(tensor, arena, out, error);
}

/* The batch norms before the inputs and behind the outputs of a block's last convolution; false for
 * any other weight. */
static bool name_norms(const ferry_safetensors *tensors, const char *weight, char *before,
                       char *after)
{
    static const char last[] = ".conv_pwl.weight", only[] = ".conv_pw.weight";
    size_t size = strlen(weight);
    bool is_last = size > sizeof last && strcmp(weight + size - (sizeof last - 1), last) == 0;
    bool is_only = size > sizeof only && strcmp(weight + size - (sizeof only - 1), only) == 0;
    if ((!is_last && !is_only) || size >= MAX_NAME) return false;
    int block = (int)(size - ((is_last ? sizeof last : sizeof only) - 1));
    snprintf(before, MAX_NAME, "%.*s%s", block, weight, last);
    if (is_only && ferry_safetensors_find(tensors, before) != NULL) return false; /* it expands */
    snprintf(before, MAX_NAME, "%.*s.%s", block, weight, is_last ? "bn2" : "bn1");
    snprintf(after, MAX_NAME, "%.*s.%s", block, weight, is_last ? "bn3" : "bn2");
    return true;
}

/* sum_k error[k] mean[k] of one output */
static double row_shift(const float *weight, const int8_t *q, float scale, const double *mean,
                        size_t K)
{
    double sum = 0.0;
    for (size_t k = 0; k < K; k++)
        sum = sum + ((double)q[k] * (double)scale - (double)weight[k]) * mean[k];
    return sum;
}

ferry_status ferry_efficientnet_shift(const ferry_safetensors *tensors, const ferry_tensor *tensor,
                                      ferry_arena *arena, const char **name, float **out,
                                      ferry_error *error)
{
    char before[MAX_NAME], after[MAX_NAME];
    const float *weight, *bias, *deviation, *shift, *gain, *variance;
    *out = NULL;
    if (!name_norms(tensors, tensor->name, before, after)) return FERRY_OK;
    size_t N = tensor->shape[0], K = tensor->shape[1];
    FERRY_TRY(ferry_tensor_as_f32(tensor, arena, &weight, error));
    FERRY_TRY(read_vector(tensors, before, "bias", K, arena, &bias, error));
    FERRY_TRY(read_vector(tensors, before, "weight", K, arena, &deviation, error));
    FERRY_TRY(read_vector(tensors, after, "bias", N, arena, &shift, error));
    FERRY_TRY(read_vector(tensors, after, "weight", N, arena, &gain, error));
    FERRY_TRY(read_vector(tensors, after, "running_var", N, arena, &variance, error));
    double *mean = ferry_arena_array(arena, K, sizeof *mean);
    int8_t *q = ferry_arena_array(arena, K, 1);
    float *moved = ferry_arena_array(arena, N, sizeof *moved);
    char *text = ferry_arena_array(arena, MAX_NAME + 8, 1);
    if (mean == NULL || q == NULL || moved == NULL || text == NULL)
        return ferry_fail_memory(error, tensor->name);
    for (size_t k = 0; k < K; k++) mean[k] = mean_of_relu6((double)bias[k], (double)deviation[k]);
    for (size_t n = 0; n < N; n++) {
        float scale = ferry_int8_quantize(weight + n * K, K, 127, q);
        double factor = (double)gain[n] / sqrt((double)variance[n] + FERRY_EFFICIENTNET_EPSILON);
        double move = row_shift(weight + n * K, q, scale, mean, K) * factor;
        moved[n] = (float)((double)shift[n] - move);
    }
    snprintf(text, MAX_NAME + 8, "%s.bias", after);
    *name = text;
    *out = moved;
    return FERRY_OK;
}
