#include "encode/vgg.h"

#include <string.h>

const ferry_vgg_window ferry_vgg_windows[FERRY_VGG_LAYERS] = {
    {4, 1, 2, 2}, {2, 2, 2, 2}, {2, 2, 2, 2}, {2, 2, 2, 2}, {4, 4, 4, 4}};

typedef struct stage {
    const ferry_vgg *net;
    const ferry_vgg_layer *layer;
    ferry_vgg_window window;
    float *out;   /* [out_H, out_W, N], */
    size_t pitch; /* its rows so many numbers apart */
} stage;

/* The 3 x 3 places around those of row y that the maximum looks at: x [out_W, width, 3, 3, K]. */
static void gather(const stage *s, size_t y, float *x)
{
    const ferry_vgg_layer *layer = s->layer;
    size_t K = layer->K, row = (layer->W + 2) * K;
    for (size_t out = 0; out < layer->out_W; out++) {
        for (size_t j = 0; j < s->window.width; j++) {
            const float *corner = layer->x + y * row + (out * s->window.across + j) * K;
            for (size_t i = 0; i < 3; i++, x += 3 * K)
                memcpy(x, corner + i * row, 3 * K * sizeof *x);
        }
    }
}

/* y [count, N] of the ReLU's input to what the batch norm gives, and its maxima in out [N]. */
static void take_maxima(const ferry_vgg_layer *layer, const float *y, size_t count, bool first,
                        float *out)
{
    size_t N = layer->N;
    for (size_t t = 0; t < count; t++, y += N) {
        for (size_t n = 0; n < N; n++) {
            float positive = y[n] > 0.0f ? y[n] : 0.0f;
            float v = positive * layer->scale[n] + layer->shift[n];
            out[n] = ((first && t == 0) || v > out[n]) ? v : out[n];
        }
    }
}

/* One row of outputs. The places are computed that their windows look at, and no others: the first
 * layer's look at every other band. */
static void row_of_outputs(void *context, size_t index, size_t worker)
{
    const stage *s = context;
    const ferry_vgg_layer *layer = s->layer;
    const ferry_kernels *kernels = s->net->kernels;
    size_t width = s->window.width, T = layer->out_W * width, inner = 9 * layer->K, N = layer->N;
    float *x = s->net->scratch + worker * s->net->scratch_size, *y = x + T * inner;
    ferry_layer_input in = {.x = x, .int7 = {(uint8_t *)(y + T * N + T), y + T * N}};
    for (size_t i = 0; i < s->window.height; i++) {
        gather(s, index * s->window.down + i, x);
        if (layer->conv.int7.weights != NULL) kernels->quantize_int7(x, inner, T, inner, &in.int7);
        ferry_layer_multiply(kernels, &layer->conv, 0, N, &in, y, N, T);
        for (size_t out = 0; out < layer->out_W; out++)
            take_maxima(layer, y + out * width * N, width, i == 0,
                        s->out + index * s->pitch + out * N);
    }
}

void ferry_vgg_forward(ferry_vgg *net, const float *mel, float *features, float *logits)
{
    const ferry_vgg_layer *layer = net->layer;
    for (size_t h = 0; h < layer->H; h++)
        for (size_t w = 0; w < layer->W; w++)
            layer->x[(h + 1) * (layer->W + 2) + w + 1] =
                mel[h * layer->W + w] * net->scale + net->shift;
    for (size_t l = 0; l < FERRY_VGG_LAYERS; l++, layer++) {
        stage s = {.net = net, .layer = layer, .window = ferry_vgg_windows[l]};
        if (l + 1 < FERRY_VGG_LAYERS) {
            s.pitch = (layer[1].W + 2) * layer->N;
            s.out = layer[1].x + s.pitch + layer->N; /* inside the zeros */
        } else {
            s.pitch = layer->out_W * layer->N;
            s.out = features;
        }
        ferry_pool_run(net->pool, layer->out_H, row_of_outputs, &s);
    }
    ferry_layer_input in = {.x = features};
    ferry_layer_multiply(net->kernels, &net->classifier, 0, net->classes, &in, logits, net->classes,
                         1);
}
