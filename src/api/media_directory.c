/* A catalogue encoded by several encoders, going on where an earlier run was stopped. Native only.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/directory.h"
#include "api/handles.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/options.h"
#include "recsys/parts.h"

enum { TEXTS_PER_CALL = 256, MAX_PATH = 4096 };

/* ---- what each modality is made of ---- */

static ferry_status encode_picture(ferry_encoder *encoder, const ferry_file *file, bool classes,
                                   float *out, ferry_error *error)
{
#if FERRY_PICTURES
    ferry_image image = {0};
    FERRY_TRY(ferry_image_decode(file, 0, &image, error));
    ferry_status status = (classes ? ferry_encoder_classify : ferry_encoder_encode_images)(
        encoder, &image, 1, out, NULL, NULL, error);
    ferry_image_free(&image);
    return status;
#else
    (void)encoder, (void)classes, (void)out;
    return ferry_fail(error, FERRY_UNSUPPORTED, "%s: this build decodes no pictures", file->name);
#endif
}

static ferry_status encode_sound(ferry_encoder *encoder, const ferry_file *file, bool tags,
                                 float *out, ferry_error *error)
{
#if FERRY_SOUNDS
    ferry_sound sound = {0};
    FERRY_TRY(ferry_sound_decode(file, 0, &sound, error));
    ferry_status status = (tags ? ferry_encoder_tag_sounds : ferry_encoder_encode_sounds)(
        encoder, &sound, 1, out, NULL, NULL, error);
    ferry_sound_free(&sound);
    return status;
#else
    (void)encoder, (void)tags, (void)out;
    return ferry_fail(error, FERRY_UNSUPPORTED, "%s: this build decodes no sounds", file->name);
#endif
}

static const char *image_of(const ferry_item *item)
{
    return item->image;
}

static const char *audio_of(const ferry_item *item)
{
    return item->audio;
}

/* One row a modality: which encoder takes it, and how a file becomes a vector. */
static const struct {
    const char *noun;
    const char *(*path)(const ferry_item *item); /* NULL: not to be had by files */
    bool (*takes)(const ferry_encoder *encoder);
    ferry_status (*encode)(ferry_encoder *encoder, const ferry_file *file, bool classes, float *out,
                           ferry_error *error);
} media[FERRY_MODALITY_COUNT] = {
    [FERRY_MODALITY_TEXT] = {"text", NULL, ferry_encoder_takes_texts, NULL},
    [FERRY_MODALITY_IMAGE] = {"picture", image_of, ferry_encoder_takes_images, encode_picture},
    [FERRY_MODALITY_AUDIO] = {"sound", audio_of, ferry_encoder_takes_sounds, encode_sound},
};

ferry_status ferry_encode_file(ferry_encoder *encoder, ferry_modality modality,
                               const ferry_file *file, bool classes, float *out, ferry_error *error)
{
    return media[modality].encode(encoder, file, classes, out, error);
}

/* ---- state ---- */

/* One source at work. */
typedef struct encoding {
    ferry_catalog *catalog;
    const ferry_catalog_encode_options *options;
    const ferry_catalog_source *source;
    ferry_rows *rows;
    const ferry_segment *segment; /* the source's */
    size_t done, total, kept;
    ferry_parts parts;     /* of the run before */
    ferry_file parts_file; /* its bytes, mapped */
    FILE *file;            /* grows; NULL: nothing is kept */
    char path[MAX_PATH];   /* of it */
    unsigned char *record; /* [ferry_parts_record_size] */
} encoding;

static bool tell(encoding *e)
{
    return e->options->progress == NULL ||
           e->options->progress(e->options->progress_user, e->source->modality, e->done, e->total,
                                e->kept);
}

/* The item has not what the source encodes, and why; the status if that is fatal. */
static ferry_status refuse(const encoding *e, size_t index, ferry_status status,
                           const ferry_error *why, ferry_error *error)
{
    if (status == FERRY_OUT_OF_MEMORY || status == FERRY_CANCELLED) {
        if (error != NULL) *error = *why;
        return status;
    }
    if (e->options->refused == NULL ||
        e->options->refused(e->options->refused_user, index, e->source->modality, why->message))
        return FERRY_OK;
    return ferry_fail(error, status, "item \"%.64s\": %s", e->catalog->items[index].item.id,
                      why->message);
}

static float *row_of(const encoding *e, size_t index)
{
    return ferry_rows_place(e->rows, e->segment, index);
}

static void mark(const encoding *e, size_t index)
{
    e->rows->has[index] |= (unsigned char)(1u << e->segment->modality);
}

/* Whether an earlier run encoded the same. */
static bool was_kept(encoding *e, size_t index, uint64_t hash)
{
    if (!ferry_parts_find(&e->parts, hash, row_of(e, index))) return false;
    mark(e, index);
    e->kept++;
    return true;
}

static ferry_status keep(encoding *e, size_t index, uint64_t hash, ferry_error *error)
{
    mark(e, index);
    if (e->file == NULL) return FERRY_OK;
    size_t size = ferry_parts_record_size(e->segment->dimension);
    ferry_parts_record(e->source->key, hash, row_of(e, index), e->segment->dimension, e->record);
    if (ferry_file_put(e->file, e->record, size)) return FERRY_OK;
    return ferry_fail(error, FERRY_IO, "%s: %s", e->path, strerror(errno));
}

/* What is kept shall outlive the process. */
static ferry_status flush(encoding *e, ferry_error *error)
{
    if (e->file == NULL || fflush(e->file) == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_IO, "%s: %s", e->path, strerror(errno));
}

static ferry_status cancelled(const encoding *e, ferry_error *error)
{
    const char *noun = media[e->source->modality].noun;
    if (e->options->parts == NULL)
        return ferry_fail(error, FERRY_CANCELLED,
                          "cancelled after %zu of %zu %ss; nothing was kept", e->done, e->total,
                          noun);
    return ferry_fail(
        error, FERRY_CANCELLED,
        "cancelled after %zu of %zu %ss, which are kept in %s: the same command goes on "
        "from there",
        e->done, e->total, noun, e->options->parts);
}

/* ---- texts ---- */

/* Texts that stand one behind another. */
typedef struct batch {
    ferry_buffer texts;
    float *vectors; /* [TEXTS_PER_CALL, dimension] */
    size_t items[TEXTS_PER_CALL], ends[TEXTS_PER_CALL], count;
} batch;

static ferry_text text_of(const batch *b, size_t i)
{
    size_t start = i > 0 ? b->ends[i - 1] : 0;
    const char *data = b->ends[i] > start ? b->texts.data + start : "";
    return (ferry_text){data, b->ends[i] - start};
}

static uint64_t hash_of(ferry_text text)
{
    return ferry_hash_bytes(FERRY_MODALITY_TEXT + 1, text.data, text.size);
}

static bool forward_progress(void *user, size_t done, size_t total)
{
    encoding e = *(const encoding *)user;
    (void)total;
    e.done += done;
    return tell(&e);
}

static ferry_status encode_batch(encoding *e, batch *b, ferry_error *error)
{
    ferry_text texts[TEXTS_PER_CALL];
    size_t N = e->segment->dimension;
    for (size_t i = 0; i < b->count; i++) texts[i] = text_of(b, i);
    ferry_status status = ferry_encoder_encode(e->source->encoder, texts, b->count, b->vectors,
                                               forward_progress, e, error);
    if (status != FERRY_OK) return status == FERRY_CANCELLED ? cancelled(e, error) : status;
    for (size_t i = 0; i < b->count; i++) {
        memcpy(row_of(e, b->items[i]), b->vectors + i * N, N * sizeof(float));
        FERRY_TRY(keep(e, b->items[i], hash_of(texts[i]), error));
    }
    e->done += b->count;
    b->count = b->texts.size = 0;
    return flush(e, error);
}

/* Of texts alone even an empty one is encoded: what people did may say more of the item. */
static ferry_status gather_texts(encoding *e, batch *b, ferry_error *error)
{
    const ferry_catalog *catalog = e->catalog;
    bool alone = e->options->source_count == 1;
    for (size_t i = 0; i < catalog->count; i++) {
        if (!ferry_catalog_entry_text(&catalog->items[i], &b->texts))
            return ferry_fail_memory(error, "the items' texts");
        b->items[b->count] = i;
        b->ends[b->count] = b->texts.size;
        ferry_text text = text_of(b, b->count);
        bool left_out = text.size == 0 && !alone;
        if (left_out || was_kept(e, i, hash_of(text))) {
            b->texts.size -= text.size;
            e->done++;
        } else if (++b->count == TEXTS_PER_CALL) {
            FERRY_TRY(encode_batch(e, b, error));
        }
    }
    return b->count > 0 ? encode_batch(e, b, error) : FERRY_OK;
}

static ferry_status encode_texts(encoding *e, ferry_error *error)
{
    const ferry_allocator *allocator = &e->catalog->allocator;
    size_t size = e->segment->dimension * sizeof(float);
    batch b = {.vectors = ferry_allocate(allocator, TEXTS_PER_CALL, size)};
    if (b.vectors == NULL) return ferry_fail_memory(error, "the items' vectors");
    ferry_buffer_init(&b.texts, *allocator);
    e->total = e->catalog->count;
    ferry_status status = gather_texts(e, &b, error);
    if (status == FERRY_OK && !tell(e)) status = cancelled(e, error);
    ferry_buffer_free(&b.texts);
    ferry_release(allocator, b.vectors, TEXTS_PER_CALL * size);
    return status;
}

/* ---- files ---- */

static ferry_status encode_file(encoding *e, size_t index, ferry_error *error)
{
    ferry_file file = {0};
    ferry_error why = {0};
    ferry_modality modality = e->source->modality;
    ferry_status status = e->options->read(e->options->read_user, index, modality, &file, &why);
    if (status != FERRY_OK) return refuse(e, index, status, &why, error);
    uint64_t hash = ferry_hash_bytes((uint64_t)modality + 1, file.data, file.size);
    if (was_kept(e, index, hash)) return FERRY_OK;
    status = media[modality].encode(e->source->encoder, &file, false, row_of(e, index), &why);
    if (status != FERRY_OK) return refuse(e, index, status, &why, error);
    FERRY_TRY(keep(e, index, hash, error));
    return flush(e, error);
}

static ferry_status encode_files(encoding *e, ferry_error *error)
{
    const ferry_catalog *catalog = e->catalog;
    const char *(*path)(const ferry_item *) = media[e->source->modality].path;
    for (size_t i = 0; i < catalog->count; i++)
        e->total += path(&catalog->items[i].item)[0] != '\0';
    if (!tell(e)) return cancelled(e, error);
    for (size_t i = 0; i < catalog->count; i++) {
        if (path(&catalog->items[i].item)[0] == '\0') continue;
        FERRY_TRY(encode_file(e, i, error));
        e->done++;
        if (!tell(e)) return cancelled(e, error);
    }
    return FERRY_OK;
}

/* ---- what is kept ---- */

/* Opens what an earlier run kept, and goes on behind it. */
static ferry_status open_parts(encoding *e, ferry_error *error)
{
    const char *name = ferry_modality_name(e->source->modality);
    if (e->options->parts == NULL) return FERRY_OK;
    int size = snprintf(e->path, sizeof e->path, "%s/%s.part", e->options->parts, name);
    if (size < 0 || (size_t)size >= sizeof e->path)
        return ferry_fail(error, FERRY_LIMIT, "%s: path longer than %d bytes", e->options->parts,
                          MAX_PATH);
    e->file = fopen(e->path, "ab"); /* made if it is not there */
    if (e->file == NULL) return ferry_fail(error, FERRY_IO, "%s: %s", e->path, strerror(errno));
    FERRY_TRY(ferry_file_map(e->path, &e->parts_file, error));
    FERRY_TRY(ferry_parts_read(e->parts_file.data, e->parts_file.size, e->source->key,
                               e->segment->dimension, &e->catalog->allocator, &e->parts, error));
    size_t good = ferry_parts_size(&e->parts);
    e->record =
        ferry_allocate(&e->catalog->allocator, ferry_parts_record_size(e->segment->dimension), 1);
    if (e->record == NULL) return ferry_fail_memory(error, "the vectors kept");
    unsigned char head[FERRY_PARTS_HEAD];
    ferry_parts_head(e->source->key, e->segment->dimension, head);
    /* what is behind the good records was being written when the run ended, or is of another model
     */
    if (ftruncate(fileno(e->file), (off_t)good) != 0 ||
        (good == 0 && !ferry_file_put(e->file, head, sizeof head)))
        return ferry_fail(error, FERRY_IO, "%s: %s", e->path, strerror(errno));
    return FERRY_OK;
}

static void close_parts(encoding *e)
{
    if (e->file != NULL) fclose(e->file);
    ferry_file_unmap(&e->parts_file);
    ferry_parts_free(&e->parts);
    if (e->record != NULL)
        ferry_release(&e->catalog->allocator, e->record,
                      ferry_parts_record_size(e->segment->dimension));
}

static ferry_status run_source(ferry_rows *rows, const ferry_catalog_encode_options *options,
                               const ferry_segment *segment, ferry_error *error)
{
    encoding e = {.catalog = rows->catalog, .options = options, .rows = rows, .segment = segment};
    for (size_t i = 0; i < options->source_count; i++)
        if (options->sources[i].modality == segment->modality) e.source = &options->sources[i];
    e.parts.allocator = e.catalog->allocator;
    ferry_status status = open_parts(&e, error);
    if (status == FERRY_OK)
        status = segment->modality == FERRY_MODALITY_TEXT ? encode_texts(&e, error)
                                                          : encode_files(&e, error);
    close_parts(&e);
    return status;
}

/* ---- all of it ---- */

static ferry_status add_source(ferry_rows *rows, const ferry_catalog_encode_options *options,
                               const ferry_catalog_source *source, ferry_error *error)
{
    FERRY_TRY(ferry_rows_add(rows, source->modality, source->model, source->weight,
                             ferry_encoder_dimension(source->encoder), error));
    if (!media[source->modality].takes(source->encoder))
        return ferry_fail(error, FERRY_UNSUPPORTED, "\"%s\" does not encode %ss",
                          source->model != NULL ? source->model : "", media[source->modality].noun);
    if (source->modality != FERRY_MODALITY_TEXT && options->read == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "read is NULL, but %ss are to be encoded",
                          media[source->modality].noun);
    return FERRY_OK;
}

static ferry_status encode_all(ferry_rows *rows, const ferry_catalog_encode_options *options,
                               ferry_error *error)
{
    for (size_t i = 0; i < options->source_count; i++)
        FERRY_TRY(add_source(rows, options, &options->sources[i], error));
    FERRY_TRY(ferry_rows_make_room(rows, error));
    if (options->parts != NULL) FERRY_TRY(ferry_directory_make(options->parts, error));
    for (size_t s = 0; s < rows->segment_count; s++)
        FERRY_TRY(run_source(rows, options, &rows->segments[s], error));
    return ferry_rows_finish(rows, options->refused, options->refused_user, error);
}

ferry_status ferry_catalog_encode_media(ferry_catalog *catalog,
                                        const ferry_catalog_encode_options *options,
                                        ferry_error *error)
{
    ferry_catalog_encode_options chosen = {0};
    FERRY_TRY(
        ferry_options_read(options, "ferry_catalog_encode_options", &chosen, sizeof chosen, error));
    ferry_rows rows = {.catalog = catalog};
    ferry_status status = encode_all(&rows, &chosen, error);
    ferry_rows_close(&rows);
    return status;
}

/* ---- texts alone ---- */

typedef struct plain_progress {
    ferry_progress call; /* or NULL */
    void *user;
} plain_progress;

static bool tell_plainly(void *user, ferry_modality modality, size_t done, size_t total,
                         size_t kept)
{
    const plain_progress *progress = user;
    (void)modality, (void)kept;
    return progress->call == NULL || progress->call(progress->user, done, total);
}

ferry_status ferry_catalog_encode(ferry_catalog *catalog, ferry_encoder *encoder, const char *model,
                                  ferry_progress progress, void *progress_user, ferry_error *error)
{
    ferry_catalog_source source = {
        .modality = FERRY_MODALITY_TEXT, .encoder = encoder, .model = model};
    plain_progress plain = {progress, progress_user};
    ferry_catalog_encode_options options = {.size = sizeof options,
                                            .sources = &source,
                                            .source_count = 1,
                                            .progress = tell_plainly,
                                            .progress_user = &plain};
    return ferry_catalog_encode_media(catalog, &options, error);
}
