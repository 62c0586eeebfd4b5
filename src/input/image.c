#include "input/image.h"

#include <string.h>

#include "base/error.h"

enum { FRACTION = 22 /* bits of a weight: 32 less 8 of a byte and 2 to spare, as Pillow's */ };

ferry_status ferry_image_check(const ferry_image *image, size_t index, ferry_error *error)
{
    if (image->width == 0 || image->height == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "picture %zu has %zu x %zu pixels", index,
                          image->width, image->height);
    if (image->width > FERRY_IMAGE_MAX_SIDE || image->height > FERRY_IMAGE_MAX_SIDE)
        return ferry_fail(error, FERRY_LIMIT,
                          "picture %zu has %zu x %zu pixels, the limit is %d on a side", index,
                          image->width, image->height, FERRY_IMAGE_MAX_SIDE);
    if (image->channels != 1 && image->channels != 3 && image->channels != 4)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "picture %zu has %zu channels, expected 1 (grey), 3 (RGB) or 4 (RGBA)",
                          index, image->channels);
    if (image->data == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "picture %zu: data is NULL", index);
    return FERRY_OK;
}

/* ---- where the picture lies in what is resized ---- */

typedef struct frame {
    size_t width, height;                 /* of what is resized, white outside the picture */
    size_t left, top;                     /* where the picture begins in it */
    size_t resized_width, resized_height; /* to what */
    size_t crop_left, crop_top;           /* where the recipe's window begins in that */
} frame;

/* Where a window of `size` in the middle of `all` begins. */
static size_t centred(size_t all, size_t size, bool to_even)
{
    size_t rest = all - size;
    return rest / 2 + (to_even && rest % 4 == 3 ? 1 : 0);
}

static frame make_frame(const ferry_image *image, const ferry_image_recipe *recipe)
{
    frame f = {.width = image->width,
               .height = image->height,
               .resized_width = recipe->width,
               .resized_height = recipe->height};
    size_t shorter = f.width < f.height ? f.width : f.height;
    switch (recipe->framing) {
    case FERRY_FRAMING_PAD:
        f.width = f.height = f.width > f.height ? f.width : f.height;
        f.left = (f.width - image->width) / 2;
        f.top = (f.height - image->height) / 2;
        break;
    case FERRY_FRAMING_CROP: /* at most 2^12 * 2^16 */
        f.resized_width = recipe->shortest * f.width / shorter;
        f.resized_height = recipe->shortest * f.height / shorter;
        f.crop_left = centred(f.resized_width, recipe->width, recipe->crop_to_even);
        f.crop_top = centred(f.resized_height, recipe->height, recipe->crop_to_even);
        break;
    case FERRY_FRAMING_SQUASH: break;
    }
    return f;
}

/* ---- weights ---- */

static double bilinear(double x)
{
    x = x < 0.0 ? -x : x;
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = x < 0.0 ? -x : x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

/*
 * One dimension's weights. Output i is the sum start[i] + weight[i, k] * pixel[first[i] + k], k <
 * used[i], where pixels count from the picture's first: what lies outside it is white, and in
 * `start`, so that it costs nothing.
 */
typedef struct taps {
    size_t in, out;        /* pixels of what is resized, and to how many */
    size_t offset, length; /* where in it the picture lies */
    size_t from, count;    /* the outputs that are wanted */
    ferry_filter filter;
    size_t reach; /* the most pixels one output uses */
    size_t *first, *used;
    int32_t *start, *weight; /* [count], [count, reach] */
    double *exact;           /* [reach] of one output, before rounding */
} taps;

/* As Pillow's precompute_coeffs and normalize_coeffs_8bpc. */
static void fill_taps(taps *t, size_t at)
{
    bool cubic = t->filter == FERRY_FILTER_BICUBIC;
    double scale = (double)t->in / (double)t->out;
    double stretch = scale < 1.0 ? 1.0 : scale, support = (cubic ? 2.0 : 1.0) * stretch;
    double centre = ((double)(t->from + at) + 0.5) * scale, step = 1.0 / stretch, sum = 0.0;
    double low = centre - support + 0.5, high = centre + support + 0.5;
    size_t first = low > 0.0 ? (size_t)low : 0;
    size_t end = high < (double)t->in ? (size_t)high : t->in;
    for (size_t i = first; i < end; i++) {
        double x = ((double)i - centre + 0.5) * step;
        t->exact[i - first] = cubic ? bicubic(x) : bilinear(x);
        sum = sum + t->exact[i - first];
    }
    int32_t *weight = t->weight + at * t->reach, white = 0;
    for (size_t i = first; i < end; i++) {
        double w = sum != 0.0 ? t->exact[i - first] / sum : t->exact[i - first];
        w = w * (double)(1 << FRACTION);
        int32_t rounded = (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5);
        if (i < t->offset || i - t->offset >= t->length) {
            white += rounded;
        } else {
            if (t->used[at] == 0) t->first[at] = i - t->offset;
            weight[t->used[at]++] = rounded;
        }
    }
    t->start[at] = (1 << (FRACTION - 1)) + 255 * white;
}

static bool make_taps(ferry_arena *arena, taps *t)
{
    /* rounded up, which reaches as far */
    size_t scale = t->in > t->out ? (t->in + t->out - 1) / t->out : 1;
    t->reach = (t->filter == FERRY_FILTER_BICUBIC ? 4 : 2) * scale + 1;
    t->first = ferry_arena_array(arena, t->count, sizeof *t->first);
    t->used = ferry_arena_array(arena, t->count, sizeof *t->used);
    t->start = ferry_arena_array(arena, t->count, sizeof *t->start);
    t->weight = ferry_arena_array(arena, t->count, t->reach * sizeof *t->weight);
    t->exact = ferry_arena_array(arena, t->reach, sizeof *t->exact);
    if (t->first == NULL || t->used == NULL || t->start == NULL || t->weight == NULL ||
        t->exact == NULL)
        return false;
    for (size_t i = 0; i < t->count; i++) fill_taps(t, i);
    return true;
}

static uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> FRACTION; /* rounds down also below 0 */
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* ---- rows ---- */

/* A byte of a colour under alpha on white, as Pillow's alpha_composite rounds it. */
static uint8_t on_white(uint8_t colour, uint8_t alpha)
{
    uint32_t sum = (colour * (uint32_t)alpha + 255u * (255u - alpha)) * 128u + (0x80u << 7);
    return (uint8_t)((((sum >> 8) + sum) >> 8) >> 7);
}

/* [width] pixels of the picture as RGB */
static void to_rgb(const uint8_t *from, size_t channels, size_t width, uint8_t *rgb)
{
    for (size_t x = 0; x < width; x++, from += channels, rgb += 3) {
        for (size_t c = 0; c < 3; c++) {
            uint8_t colour = from[channels == 1 ? 0 : c];
            rgb[c] = channels == 4 ? on_white(colour, from[3]) : colour;
        }
    }
}

/* Row y of the picture: [width, 3], in `row` or in the picture itself. */
static const uint8_t *read_row(const ferry_image *image, size_t y, uint8_t *row)
{
    const uint8_t *pixels = image->data;
    const uint8_t *from = pixels + y * image->width * image->channels;
    if (image->channels == 3) return from;
    to_rgb(from, image->channels, image->width, row);
    return row;
}

static void resize_row(const taps *t, const uint8_t *row, uint8_t *out)
{
    for (size_t x = 0; x < t->count; x++, out += 3) {
        const uint8_t *from = row + t->first[x] * 3;
        const int32_t *weight = t->weight + x * t->reach;
        int32_t r = t->start[x], g = r, b = r;
        for (size_t i = 0; i < t->used[x]; i++, from += 3) {
            r += from[0] * weight[i];
            g += from[1] * weight[i];
            b += from[2] * weight[i];
        }
        out[0] = to_byte(r);
        out[1] = to_byte(g);
        out[2] = to_byte(b);
    }
}

/* What resizing works with. */
typedef struct resizing {
    taps across, down;
    uint8_t *row;  /* [width of the picture, 3] */
    uint8_t *ring; /* [down.reach, across.count, 3] the last rows resized across */
    int32_t *sum;  /* [across.count, 3] */
} resizing;

/* Whether a picture as large as what is wanted lies where it is wanted: nothing is resized. */
static bool fits(const taps *t)
{
    return t->in == t->out && t->length == t->in && t->from == 0 && t->count == t->in;
}

static void resize_rows(const ferry_image *image, const resizing *r, uint8_t *out)
{
    if (fits(&r->across) && fits(&r->down)) {
        for (size_t y = 0; y < image->height; y++, out += image->width * 3)
            memcpy(out, read_row(image, y, r->row), image->width * 3);
        return;
    }
    size_t bytes = r->across.count * 3, next = 0; /* rows below `next` are in the ring */
    for (size_t y = 0; y < r->down.count; y++, out += bytes) {
        size_t first = r->down.first[y], end = first + r->down.used[y];
        const int32_t *weight = r->down.weight + y * r->down.reach;
        for (next = next > first ? next : first; next < end; next++)
            resize_row(&r->across, read_row(image, next, r->row),
                       r->ring + next % r->down.reach * bytes);
        for (size_t i = 0; i < bytes; i++) r->sum[i] = r->down.start[y];
        for (size_t k = first; k < end; k++) {
            const uint8_t *from = r->ring + k % r->down.reach * bytes;
            int32_t w = weight[k - first];
            for (size_t i = 0; i < bytes; i++) r->sum[i] += from[i] * w;
        }
        for (size_t i = 0; i < bytes; i++) out[i] = to_byte(r->sum[i]);
    }
}

static bool make_resizing(const ferry_image *image, const ferry_image_recipe *recipe,
                          ferry_arena *arena, resizing *out)
{
    frame f = make_frame(image, recipe);
    size_t bytes = recipe->width * 3;
    out->across = (taps){.in = f.width,
                         .out = f.resized_width,
                         .offset = f.left,
                         .length = image->width,
                         .from = f.crop_left,
                         .count = recipe->width,
                         .filter = recipe->filter};
    out->down = (taps){.in = f.height,
                       .out = f.resized_height,
                       .offset = f.top,
                       .length = image->height,
                       .from = f.crop_top,
                       .count = recipe->height,
                       .filter = recipe->filter};
    if (!make_taps(arena, &out->across) || !make_taps(arena, &out->down)) return false;
    out->row = ferry_arena_array(arena, image->width, 3);
    out->ring = ferry_arena_array(arena, out->down.reach, bytes);
    out->sum = ferry_arena_array(arena, bytes, sizeof *out->sum);
    return out->row != NULL && out->ring != NULL && out->sum != NULL;
}

ferry_status ferry_image_frame(const ferry_image *image, const ferry_image_recipe *recipe,
                               const ferry_allocator *allocator, uint8_t *out, ferry_error *error)
{
    resizing r = {0};
    ferry_arena arena;
    ferry_arena_init(&arena, *allocator);
    bool made = make_resizing(image, recipe, &arena, &r);
    if (made) resize_rows(image, &r, out);
    ferry_arena_free(&arena);
    return made ? FERRY_OK : ferry_fail_memory(error, "a picture's rows");
}

void ferry_image_normalize(const ferry_image_recipe *recipe, const uint8_t *rgb, size_t pixels,
                           float *out)
{
    float value[3][256];
    for (size_t c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            value[c][i] = (float)(((double)i * recipe->rescale - recipe->mean[c]) / recipe->std[c]);
    for (size_t i = 0; i < pixels; i++, rgb += 3, out += 3)
        for (size_t c = 0; c < 3; c++) out[c] = value[c][rgb[c]];
}
