#include "encode/attention.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/ops.h"

ferry_columns ferry_attention_columns(size_t hidden, size_t D, size_t rows)
{
    size_t group = D % FERRY_PANEL == 0 ? D : 3 * hidden;
    return (ferry_columns){group, group * rows};
}

bool ferry_attention_room(size_t T, size_t D, size_t *out)
{
    /* A token's: scores, and a key in f32; or a row in f32, key and value in int8, and what stands
     * with them. Beside them in int8: a dimension's mean, scale, start, and the queries. */
    if (D > SIZE_MAX / 256) return false;
    size_t columns = D + -D % FERRY_PANEL, token = FERRY_ATTENTION_ROWS + 2 * columns + FERRY_PANEL;
    size_t of_tokens;
    return ferry_panels_size(token, T, &of_tokens) &&
           ferry_size_add(of_tokens, (FERRY_ATTENTION_ROWS + FERRY_PANEL) * columns, out);
}

/* softmax of rows first… [rows, T], each over what it may see; the rest becomes 0. */
static void causal_softmax(const ferry_kernels *kernels, float *scores, float scale, size_t first,
                           size_t rows, size_t T)
{
    for (size_t row = 0; row < rows; row++, scores += T) {
        size_t seen = first + row + 1;
        kernels->softmax(scores, T, scale, 1, seen);
        memset(scores + seen, 0, (T - seen) * sizeof *scores);
    }
}

/* room: scores [FERRY_ATTENTION_ROWS, T], then keys [ceil(T / 16), D, 16] */
static void attend_f32(const ferry_attention *a, const ferry_head *head, size_t T, float *room)
{
    const ferry_kernels *kernels = a->kernels;
    size_t D = a->D, stride = head->stride;
    float scale = 1.0f / sqrtf((float)D);
    float *scores = room, *keys = room + FERRY_ATTENTION_ROWS * T;
    ferry_pack_panels(head->key, 1, stride, D, T, keys);
    for (size_t t = 0; t < T; t += FERRY_ATTENTION_ROWS) {
        size_t rows = T - t < FERRY_ATTENTION_ROWS ? T - t : FERRY_ATTENTION_ROWS;
        kernels->matmul(head->query + t * stride, stride, keys, NULL, scores, T, rows, D, T);
        if (a->causal)
            causal_softmax(kernels, scores, scale, t, rows, T);
        else
            kernels->softmax(scores, T, scale, rows, T);
        kernels->matmul_strided(scores, T, 1, head->value, stride, head->context + t * a->hidden,
                                a->hidden, rows, T, D, false);
    }
}

void ferry_attend(const ferry_attention *attention, size_t head, size_t first, size_t T,
                  float *room)
{
    const ferry_attention *a = attention;
    size_t column = head * a->D;
    ferry_head of = {.query = a->x + ferry_columns_at(&a->columns, first, column),
                     .key = a->x + ferry_columns_at(&a->columns, first, a->hidden + column),
                     .value = a->x + ferry_columns_at(&a->columns, first, 2 * a->hidden + column),
                     .stride = a->columns.group,
                     .context = a->context + first * a->hidden + column};
    if (a->int8 && !a->causal && T >= FERRY_ATTENTION_INT8_LEAST)
        ferry_attend_int8(a, &of, T, room);
    else
        attend_f32(a, &of, T, room);
}
