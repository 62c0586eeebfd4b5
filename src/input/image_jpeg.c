/* JPEG through libjpeg-turbo: grey, RGB, YCbCr, CMYK and YCCK become RGB; a turned photograph is
 * put upright, as browsers do. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "input/image.h"
#include "input/image_decode.h"

/* All that lives across a jump back. */
typedef struct reader {
    struct jpeg_error_mgr errors; /* first: libjpeg hands it back as this */
    struct jpeg_decompress_struct jpeg;
    jmp_buf back;
    char message[JMSG_LENGTH_MAX];
    const ferry_file *file;
    size_t max_pixels;
    ferry_image *out;
    ferry_error *error;
} reader;

static _Noreturn void give_up(j_common_ptr info)
{
    reader *r = (reader *)(void *)info->err;
    info->err->format_message(info, r->message);
    longjmp(r->back, 1);
}

/* libjpeg fills what is cut off or unreadable with grey, and warns: that is no picture. */
static void on_message(j_common_ptr info, int level)
{
    int code = info->err->msg_code;
    if (level >= 0) return;
    if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
        code == JWRN_MUST_RESYNC)
        give_up(info);
}

/* a * b / 255, rounded as Pillow does */
static uint8_t fraction(uint32_t a, uint32_t b)
{
    uint32_t product = a * b + 128;
    return (uint8_t)(((product >> 8) + product) >> 8);
}

/* [pixels, 4] to [pixels, 3]. Inks in JPEG files are stored as 255 less how much. */
static void cmyk_to_rgb(const uint8_t *ink, uint8_t *rgb, size_t pixels)
{
    for (; pixels > 0; pixels--, ink += 4, rgb += 3)
        for (size_t c = 0; c < 3; c++) rgb[c] = (uint8_t)(ink[3] - fraction(255u - ink[c], ink[3]));
}

static int orientation(const struct jpeg_decompress_struct *jpeg)
{
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker != NULL; marker = marker->next) {
        int found = ferry_exif_orientation(marker->data, marker->data_length);
        if (found != 1) return found;
    }
    return 1;
}

static ferry_status read_pixels(reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(jpeg, r->file->data, (unsigned long)r->file->size);
    jpeg_read_header(jpeg, TRUE);
    bool inks = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    FERRY_TRY(ferry_image_allocate(r->file->name, jpeg->image_width, jpeg->image_height, 3,
                                   r->max_pixels, r->out, r->error));
    jpeg_start_decompress(jpeg);
    size_t width = r->out->width;
    uint8_t *rgb = (uint8_t *)(uintptr_t)r->out->data, *row = rgb;
    if (inks) row = jpeg->mem->alloc_small((j_common_ptr)jpeg, JPOOL_IMAGE, width * 4);
    for (; jpeg->output_scanline < jpeg->output_height; rgb += width * 3) {
        if (!inks) row = rgb;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (inks) cmyk_to_rgb(row, rgb, width);
    }
    return FERRY_OK;
}

/* Apart from the one who sets the jump, whose variables it might undo. */
static ferry_status run(reader *r)
{
    if (setjmp(r->back) == 0) return read_pixels(r);
    if (r->errors.msg_code == JERR_OUT_OF_MEMORY) return ferry_fail_memory(r->error, r->file->name);
    ferry_status status =
        r->errors.msg_code == JERR_BAD_PRECISION ? FERRY_UNSUPPORTED : FERRY_MALFORMED;
    return ferry_fail(r->error, status, "%s: a JPEG that cannot be read: %s", r->file->name,
                      r->message);
}

ferry_status ferry_jpeg_decode(const ferry_file *file, size_t max_pixels, ferry_image *out,
                               ferry_error *error)
{
    reader r = {.file = file, .max_pixels = max_pixels, .out = out, .error = error};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = give_up;
    r.errors.emit_message = on_message;
    /* Creating fails only where header and library are of different versions, or for lack of
     * memory; the jump is not set yet, so that is done in run's place. */
    if (setjmp(r.back) != 0) return ferry_fail(error, FERRY_UNSUPPORTED, "libjpeg: %s", r.message);
    jpeg_create_decompress(&r.jpeg);
    ferry_status status = run(&r);
    int turned = status == FERRY_OK ? orientation(&r.jpeg) : 1;
    jpeg_destroy_decompress(&r.jpeg);
    return status == FERRY_OK ? ferry_image_turn(out, turned, error) : status;
}
