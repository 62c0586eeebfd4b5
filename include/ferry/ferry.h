/*
 * Ferry: recommendations on a person's own device.
 *
 * This is the only installed header. Three handles, in the order a visitor's event walks them:
 *
 *   ferry_encoder   a pretrained encoder of texts, pictures or both, or sounds, from its directory
 *   ferry_catalog   the items of a shop, each with the vector it was encoded to
 *   ferry_visitor   one person's typed history over a catalogue; asks for recommendations
 *
 * Conventions
 *   - Every fallible call returns a ferry_status and fills the caller's ferry_error, which may be
 *     NULL. Results leave through trailing out-pointers, which are set to a safe value first.
 *   - Ownership is one of three words: "borrows" (the caller keeps the memory alive as long as the
 *     handle), "copies" (the caller may free it on return), "gives" (the caller must free it).
 *   - Texts are UTF-8 with a length, not NUL-terminated. Invalid bytes read as U+FFFD.
 *   - Option structs begin with their own size, so that they can grow; zero means the default.
 *   - A handle may be used by one thread at a time; different handles by different threads, even if
 *     they were made from the same allocator. A catalogue is read-only once it is open or encoded,
 *     and may then be shared by visitors on several threads.
 *   - No call prints, exits or keeps state outside its handles.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_VERSION "0.1.0"

#if defined(_WIN32) || defined(__EMSCRIPTEN__)
#define FERRY_API
#else
#define FERRY_API __attribute__((visibility("default")))
#endif

/* ---- status ---------------------------------------------------------------------------------- */

/* One list for the codes, their names and their texts: X(name, text). */
#define FERRY_STATUS_LIST(X)                                           \
    X(OK, "ok")                                                        \
    X(INVALID_ARGUMENT, "an argument is outside its documented range") \
    X(OUT_OF_MEMORY, "the allocator returned no memory")               \
    X(IO, "a file could not be read or written")                       \
    X(NOT_FOUND, "no such file, item, domain or field")                \
    X(MALFORMED, "the bytes do not follow their format")               \
    X(UNSUPPORTED, "well-formed, but not something this build can do") \
    X(LIMIT, "larger than a documented limit")                         \
    X(EMPTY_HISTORY, "the history has no event to recommend from")     \
    X(CANCELLED, "stopped by the caller")                              \
    X(DIVERGED, "training met a number that is not finite")            \
    X(INCONSISTENT, "a sum that Ferry checks did not come out")

typedef enum ferry_status {
#define FERRY_STATUS_ENUM(name, text) FERRY_##name,
    FERRY_STATUS_LIST(FERRY_STATUS_ENUM)
#undef FERRY_STATUS_ENUM
        FERRY_STATUS_COUNT
} ferry_status;

/* What went wrong, for a person: names the thing, what was found and what was expected. */
typedef struct ferry_error {
    ferry_status status;
    char message[504]; /* UTF-8, NUL-terminated, cut if longer */
} ferry_error;

/* "INVALID_ARGUMENT" for FERRY_INVALID_ARGUMENT; NULL for a number that is no status. */
FERRY_API const char *ferry_status_name(ferry_status status);
/* The text of FERRY_STATUS_LIST; NULL for a number that is no status. */
FERRY_API const char *ferry_status_text(ferry_status status);
FERRY_API const char *ferry_version(void);

/* ---- what the caller hands in ---------------------------------------------------------------- */

typedef struct ferry_text {
    const char *data; /* UTF-8, [size] bytes; may be NULL if size is 0 */
    size_t size;
} ferry_text;

/* A file's bytes under its name relative to its directory, e.g. "1_Pooling/config.json". */
typedef struct ferry_file {
    const char *name;
    const void *data; /* [size] bytes */
    size_t size;
} ferry_file;

/* A picture's pixels, a byte a channel, from the top left, rows without gaps between them. What
 * is transparent is shown on white. At most 65,536 pixels a side. */
typedef struct ferry_image {
    const void *data; /* [height, width, channels] */
    size_t width, height;
    size_t channels; /* 1 grey, 3 RGB, 4 RGBA, its colours not multiplied by alpha */
} ferry_image;

/* A sound's samples, usually of -1…1, all channels of one moment side by side. Of several channels
 * the mean is heard. At most 64 channels, 1,000…384,000 samples a second, 2^30 in each channel. */
typedef struct ferry_sound {
    const float *data; /* [frames, channels] */
    size_t frames, channels;
    size_t sample_rate; /* frames a second */
} ferry_sound;

/*
 * The allocator hook, one function as in Lua: new_size 0 frees, pointer NULL allocates, anything
 * else resizes; NULL on failure, the old block then stands. Results are aligned for any C type.
 * NULL in place of a ferry_allocator means the C library's. Copied by the handles. JSON parsing
 * alone goes through cJSON's own hooks.
 */
typedef struct ferry_allocator {
    void *(*reallocate)(void *user, void *pointer, size_t old_size, size_t new_size);
    void *user;
} ferry_allocator;

/*
 * Called between units of work with done and total in that work's unit (texts, bytes…).
 * Return false to cancel: the call then ends with FERRY_CANCELLED and the handle stays usable.
 */
typedef bool (*ferry_progress)(void *user, size_t done, size_t total);

/* Takes the next size bytes of a file; false to give up, the call then ends with FERRY_IO. */
typedef bool (*ferry_write)(void *user, const void *data, size_t size);

/* ---- kernels --------------------------------------------------------------------------------- */

/*
 * Kernel variants give the same bits; the choice is a matter of speed. NULL or "auto" picks the
 * fastest this machine runs, a name ("scalar", "avx2", "avx512", "wasm") asks for one.
 * ferry_kernels_name writes the name of what would be used.
 */
FERRY_API ferry_status ferry_kernels_name(const char *wanted, const char **out, ferry_error *error);

/* ---- encoder --------------------------------------------------------------------------------- */

typedef struct ferry_encoder ferry_encoder;

/* How weights are held and multiplied: X(name, text). docs/int8.md has what int8 costs and saves.
 */
#define FERRY_PRECISION_LIST(X)                                        \
    X(AUTO, "auto") /* as the file has it: int8 if it was quantised */ \
    X(F32, "f32")                                                      \
    X(INT8, "int8") /* quantised while loading, if the file was not */

typedef enum ferry_precision {
#define FERRY_PRECISION_ENUM(name, text) FERRY_PRECISION_##name,
    FERRY_PRECISION_LIST(FERRY_PRECISION_ENUM)
#undef FERRY_PRECISION_ENUM
        FERRY_PRECISION_COUNT
} ferry_precision;

/* What may differ from machine to machine: X(name, text). */
#define FERRY_NUMERICS_LIST(X)                                \
    X(EXACT, "exact") /* nothing: the same bits everywhere */ \
    X(FAST, "fast")   /* f32 with fused multiply-add: last digits differ */

typedef enum ferry_numerics {
#define FERRY_NUMERICS_ENUM(name, text) FERRY_NUMERICS_##name,
    FERRY_NUMERICS_LIST(FERRY_NUMERICS_ENUM)
#undef FERRY_NUMERICS_ENUM
        FERRY_NUMERICS_COUNT
} ferry_numerics;

/* What becomes of a picture's shape, which is seldom that of a model's input: X(name, text). */
#define FERRY_IMAGE_FIT_LIST(X)                                                \
    X(PAD, "pad")     /* all of it is seen, in the middle of a white square */ \
    X(MODEL, "model") /* as the model's own files say: most cut out the middle */

typedef enum ferry_image_fit {
#define FERRY_IMAGE_FIT_ENUM(name, text) FERRY_IMAGE_FIT_##name,
    FERRY_IMAGE_FIT_LIST(FERRY_IMAGE_FIT_ENUM)
#undef FERRY_IMAGE_FIT_ENUM
        FERRY_IMAGE_FIT_COUNT
} ferry_image_fit;

/*
 * threads is how many encode, the caller's included: 0 and 1 are one, LIMIT above 256 or where the
 * system starts no more. The bits are the same with any number. They sleep between calls; for each,
 * all-MiniLM-L6-v2 takes 2.5 MB, in f32 3.
 * numerics FAST is UNSUPPORTED where the machine or the build has no fused multiply-add (wasm), and
 * with precision INT8, whose products are exact anyway.
 */
typedef struct ferry_encoder_options {
    size_t size;                      /* sizeof(ferry_encoder_options) */
    const ferry_allocator *allocator; /* NULL: malloc */
    const char *kernels;              /* see ferry_kernels_name */
    ferry_precision precision;
    size_t threads;
    ferry_numerics numerics;
    /* The bytes of model.safetensors, which must be the caller's to write, are the encoder's from
     * open on, also if it fails: matrices are packed in their own place instead of into memory of
     * their own, as large again. Not for ferry_encoder_open_directory, whose files are mapped
     * read-only. */
    bool overwrite;
    /* What is put before each text: the prompt of that name ("query", "passage"…) in
     * config_sentence_transformers.json; "": nothing; NULL: the one it makes the default, if any.
     */
    const char *prompt;
    /* The mean of that name in centers.safetensors, which `ferry center` writes, is taken from each
     * embedding, which is then normalised again; "auto": the nearest of them. docs/languages.md
     * says what for. */
    const char *center;
    ferry_image_fit image_fit;
    /* Called, unless NULL, with a tokenizer's file once it is read, before memory is taken for the
     * matrices: its bytes, and they alone, are needed no more then and may be freed. Not for
     * ferry_encoder_open_directory, which does so itself. */
    void (*done)(void *user, const ferry_file *file);
    void *done_user;
} ferry_encoder_options;

/*
 * Opens an encoder from the files of a model's directory. Of pictures: EfficientNet-Lite as timm
 * names it (config.json, model.safetensors), and ViT, CLIP's, SigLIP's and DINOv2's image towers
 * (the same, and preprocessor_config.json). Of pictures and texts, into one space: CLIP and SigLIP
 * whose directory has a tokenizer.json too; without it they encode pictures alone. Of sounds:
 * musicnn's VGG as models/musicnn.py writes it (config.json, model.safetensors).
 *
 * Of texts, from a Hugging Face directory: config.json,
 * model.safetensors, tokenizer.json or vocab.txt, and where present sentence-transformers'
 * modules.json, 1_Pooling/config.json, sentence_bert_config.json,
 * config_sentence_transformers.json; and Ferry's own centers.safetensors. Other files are ignored.
 * Without modules.json: mean pooling, no normalisation, the model's own maximum length.
 *
 * Borrows the bytes of model.safetensors until close; copies everything else.
 * UNSUPPORTED names an architecture, module, activation or tokenizer part that Ferry does not know.
 */
FERRY_API ferry_status ferry_encoder_open(const ferry_file *files, size_t file_count,
                                          const ferry_encoder_options *options, ferry_encoder **out,
                                          ferry_error *error);

/* The same from a directory on disk, mapped read-only. Native builds only. */
FERRY_API ferry_status ferry_encoder_open_directory(const char *path,
                                                    const ferry_encoder_options *options,
                                                    ferry_encoder **out, ferry_error *error);

FERRY_API void ferry_encoder_close(ferry_encoder *encoder);

/*
 * Writes an int8 copy of a model directory: model.safetensors with the weights quantised, a quarter
 * of the size (of sounds two thirds), and the other files as they are. docs/int8.md names its tensors. Native builds only.
 */
FERRY_API ferry_status ferry_encoder_quantize_directory(const char *from, const char *to,
                                                        ferry_error *error);

/* FERRY_PRECISION_F32 or FERRY_PRECISION_INT8. */
FERRY_API ferry_precision ferry_encoder_precision(const ferry_encoder *encoder);

/* What the model encodes. */
FERRY_API bool ferry_encoder_takes_texts(const ferry_encoder *encoder);
FERRY_API bool ferry_encoder_takes_images(const ferry_encoder *encoder);
FERRY_API bool ferry_encoder_takes_sounds(const ferry_encoder *encoder);

/* Length of one embedding. */
FERRY_API size_t ferry_encoder_dimension(const ferry_encoder *encoder);
/* Tokens after which a text is cut, special tokens included; 0 where no texts are encoded. */
FERRY_API size_t ferry_encoder_max_tokens(const ferry_encoder *encoder);

/*
 * Encodes texts in order into out, [count, dimension] floats owned by the caller. A text's
 * embedding is the same bits alone or in any batch. On failure out is unspecified.
 */
FERRY_API ferry_status ferry_encoder_encode(ferry_encoder *encoder, const ferry_text *texts,
                                            size_t count, float *out, ferry_progress progress,
                                            void *progress_user, ferry_error *error);

/*
 * The same for pictures; progress counts pictures. An embedding is what the model's last layer but
 * its classifier gives, not normalised. UNSUPPORTED for a model that takes none.
 */
FERRY_API ferry_status ferry_encoder_encode_images(ferry_encoder *encoder,
                                                   const ferry_image *images, size_t count,
                                                   float *out, ferry_progress progress,
                                                   void *progress_user, ferry_error *error);

/*
 * Of a model that encodes texts and pictures into one space, as CLIP and SigLIP do: what it
 * multiplies the cosine of two embeddings by, and what it then adds. 0 for other models.
 */
FERRY_API float ferry_encoder_logit_scale(const ferry_encoder *encoder);
FERRY_API float ferry_encoder_logit_bias(const ferry_encoder *encoder);

/*
 * Which text says what a picture shows: for each of images [image_count, dimension] against texts
 * [text_count, dimension], embeddings of this encoder's or others of any length, logits and
 * probabilities [image_count, text_count], either of which may be NULL. CLIP's probabilities of a
 * picture are shared among the texts (softmax), each of SigLIP's is its text's own (sigmoid).
 * UNSUPPORTED for a model that does not take both.
 */
FERRY_API ferry_status ferry_encoder_compare(const ferry_encoder *encoder, const float *images,
                                             size_t image_count, const float *texts,
                                             size_t text_count, float *logits, float *probabilities,
                                             ferry_error *error);

/* The classes a picture model was trained to tell apart, 1,000 for ImageNet, or the tags a sound
 * model gives; 0: it has none. */
FERRY_API size_t ferry_encoder_classes(const ferry_encoder *encoder);
/* What a class is called, where config.json says it ("label_names" or "id2label"), which lives as
 * long as the encoder; else NULL. */
FERRY_API const char *ferry_encoder_class_name(const ferry_encoder *encoder, size_t index);

/* The classifier's logits of pictures, [count, ferry_encoder_classes]. */
FERRY_API ferry_status ferry_encoder_classify(ferry_encoder *encoder, const ferry_image *images,
                                              size_t count, float *out, ferry_progress progress,
                                              void *progress_user, ferry_error *error);

/*
 * The same for sounds; progress counts sounds, and is asked in the midst of a long one too. A sound
 * is cut into patches of three seconds, one behind the other, whose embeddings' mean is the
 * sound's; what is left behind the last whole patch is not heard, and a shorter sound is filled up
 * with silence. docs/sounds.md says why, and what an embedding is good for.
 */
FERRY_API ferry_status ferry_encoder_encode_sounds(ferry_encoder *encoder,
                                                   const ferry_sound *sounds, size_t count,
                                                   float *out, ferry_progress progress,
                                                   void *progress_user, ferry_error *error);

/* How likely each tag is, 0…1, the mean over patches: out [count, ferry_encoder_classes]. */
FERRY_API ferry_status ferry_encoder_tag_sounds(ferry_encoder *encoder, const ferry_sound *sounds,
                                                size_t count, float *out, ferry_progress progress,
                                                void *progress_user, ferry_error *error);

/*
 * Token ids of one text, prompt and special tokens included, cut at ferry_encoder_max_tokens. ids
 * holds capacity entries; *count is the number there are, of which min(count, capacity) were
 * written.
 */
FERRY_API ferry_status ferry_encoder_tokenize(ferry_encoder *encoder, ferry_text text, int32_t *ids,
                                              size_t capacity, size_t *count, ferry_error *error);

/* ---- pictures -------------------------------------------------------------------------------- */

/*
 * Decodes a PNG, JPEG or WebP, which is told by its bytes, whatever its name says; the name is for
 * messages. Gives out->data: to be freed by ferry_image_free. Photographs come upright, as their
 * Exif says. max_pixels bounds width times height; 0 is 67,108,864. Other formats and animations
 * are UNSUPPORTED, what is damaged or cut short MALFORMED. Native builds only, of which those made
 * with FERRY_PICTURES=OFF do not have it; in a browser, the page decodes.
 */
FERRY_API ferry_status ferry_image_decode(const ferry_file *file, size_t max_pixels,
                                          ferry_image *out, ferry_error *error);
FERRY_API void ferry_image_free(ferry_image *image);

/* ---- sounds ---------------------------------------------------------------------------------- */

/*
 * Decodes a WAV, FLAC or OGG (Vorbis, Opus, FLAC), which is told by its bytes, whatever its name
 * says; the name is for messages. Gives out->data: to be freed by ferry_sound_free. max_samples
 * bounds the samples of all channels together; 0 is 67,108,864, twelve minutes of a CD. Other
 * formats are UNSUPPORTED, what is damaged MALFORMED. Native builds only, of which those made with
 * FERRY_SOUNDS=OFF do not have it; in a browser, the page decodes.
 */
FERRY_API ferry_status ferry_sound_decode(const ferry_file *file, size_t max_samples,
                                          ferry_sound *out, ferry_error *error);
FERRY_API void ferry_sound_free(ferry_sound *sound);

/* ---- tables ---------------------------------------------------------------------------------- */

typedef enum ferry_table_format {
    FERRY_TABLE_AUTO, /* by the name: .csv, .tsv, .jsonl, .ndjson, .item or .inter (RecBole) */
    FERRY_TABLE_CSV,
    FERRY_TABLE_JSONL,
    FERRY_TABLE_RECBOLE
} ferry_table_format;

/*
 * Told of each row that was refused: file as named by the caller, line counted from 1, reason for
 * a person. Return false to make it fatal.
 */
typedef bool (*ferry_row_refused)(void *user, const char *file, size_t line, const char *reason);

/* ---- catalogue ------------------------------------------------------------------------------- */

typedef struct ferry_catalog ferry_catalog;

/* What an item may be known by: X(NAME, "name"). Sets of them are bits, 1 << FERRY_MODALITY_…. */
#define FERRY_MODALITY_LIST(X) \
    X(TEXT, "text")            \
    X(IMAGE, "image")          \
    X(AUDIO, "audio")

typedef enum ferry_modality {
#define FERRY_MODALITY_ENUM(name, text) FERRY_MODALITY_##name,
    FERRY_MODALITY_LIST(FERRY_MODALITY_ENUM)
#undef FERRY_MODALITY_ENUM
        FERRY_MODALITY_COUNT
} ferry_modality;

/* "text"; NULL for a number that is none. */
FERRY_API const char *ferry_modality_name(ferry_modality modality);

typedef struct ferry_catalog_options {
    size_t size;                      /* sizeof(ferry_catalog_options) */
    const ferry_allocator *allocator; /* NULL: malloc */
    const char *kernels;              /* see ferry_kernels_name */
} ferry_catalog_options;

/* Strings of an item live as long as its catalogue; absent ones are "". */
typedef struct ferry_item {
    const char *id;
    const char *domain;
    const char *title;
    const char *author;
    const char *description;
    const char *image; /* path or URL as the catalogue's maker wrote it */
    const char *audio;
    const char *const *tags; /* [tag_count] */
    size_t tag_count;
    const char *json; /* the whole item as one line of JSON, unknown fields included */
} ferry_item;

/* An empty catalogue, to be filled by ferry_catalog_add and finished by ferry_catalog_encode,
 * ferry_catalog_encode_media or ferry_catalog_set_vectors. */
FERRY_API ferry_status ferry_catalog_create(const ferry_catalog_options *options,
                                            ferry_catalog **out, ferry_error *error);

/*
 * Adds the items of a table. An item needs an id; (domain, id) must be unique; a missing domain is
 * the file's stem. Rows that cannot be read are reported to refused (may be NULL) and left out.
 * Copies.
 */
FERRY_API ferry_status ferry_catalog_add(ferry_catalog *catalog, const ferry_file *table,
                                         ferry_table_format format, ferry_row_refused refused,
                                         void *refused_user, ferry_error *error);

/*
 * Encodes every item's text, "title | author | tags | description" without the empty ones. model
 * is recorded in the catalogue (e.g. the model directory's name). Progress counts items. Native
 * builds only.
 */
FERRY_API ferry_status ferry_catalog_encode(ferry_catalog *catalog, ferry_encoder *encoder,
                                            const char *model, ferry_progress progress,
                                            void *progress_user, ferry_error *error);

/* One of the encoders that a catalogue is made with. */
typedef struct ferry_catalog_source {
    ferry_modality modality;
    ferry_encoder *encoder;
    const char *model; /* recorded in the catalogue */
    /* What its cosine counts beside the others': 0 is the default that docs/catalog.md has for the
     * modality. Only the proportions matter. */
    float weight;
    /* Tells the encoder and its options apart from others, for ferry_catalog_encode_options.parts.
     */
    uint64_t key;
} ferry_catalog_source;

/*
 * Gives the bytes of the file that an item's image or audio names, valid until the next call. Its
 * name is for messages. A failure means that the item has no such file.
 */
typedef ferry_status (*ferry_media_read)(void *user, size_t index, ferry_modality modality,
                                         ferry_file *out, ferry_error *error);
/*
 * Told of each item that something is missing of: a file that cannot be read or decoded, or, with
 * modality FERRY_MODALITY_COUNT, everything, so that the item is left out. Return false to make it
 * fatal. The index is that of the item before any were left out.
 */
typedef bool (*ferry_media_refused)(void *user, size_t index, ferry_modality modality,
                                    const char *reason);
/* As ferry_progress, for each source in its turn; done and total are items that have something to
 * be encoded, kept of them those that were in a part file. */
typedef bool (*ferry_media_progress)(void *user, ferry_modality modality, size_t done, size_t total,
                                     size_t kept);

typedef struct ferry_catalog_encode_options {
    size_t size;                         /* sizeof(ferry_catalog_encode_options) */
    const ferry_catalog_source *sources; /* [source_count], each modality at most once */
    size_t source_count;
    ferry_media_read read; /* may be NULL if texts alone are encoded */
    void *read_user;
    ferry_media_refused refused; /* may be NULL */
    void *refused_user;
    ferry_media_progress progress; /* may be NULL */
    void *progress_user;
    /* A directory, made if it is not there, in which vectors are kept from the moment they are
     * encoded, as text.part, image.part, audio.part. What is in them of the same source and the
     * same text or file is not encoded again. ferry_catalog_save_directory to it removes them.
     * NULL: nothing is kept. */
    const char *parts;
} ferry_catalog_encode_options;

/*
 * Encodes every item by all sources. Its vector is then the concatenation of a segment for each, in
 * the list's order: the square root of its weight times a unit vector, zeros where the item lacks
 * that, all of it at unit length. So the product of two items' vectors is the weighted sum of their
 * cosines. The unit vectors are counted from the mean that the catalogue's have, so that what all
 * pictures have in common says nothing; of texts alone, which make the same catalogue as
 * ferry_catalog_encode, no mean is taken off. Native builds only.
 */
FERRY_API ferry_status ferry_catalog_encode_media(ferry_catalog *catalog,
                                                  const ferry_catalog_encode_options *options,
                                                  ferry_error *error);

/* Vectors of one modality that there are already, from an encoder of any kind. */
typedef struct ferry_modality_vectors {
    ferry_modality modality;
    const char *model; /* as of ferry_catalog_source */
    float weight;      /* the same */
    size_t dimension;
    const float *vectors; /* [ferry_catalog_count, dimension] of any length; zeros: it has none */
} ferry_modality_vectors;

/*
 * Makes a catalogue of items and such vectors, list [count], each modality at most once:
 * what ferry_catalog_encode_media makes where its encoders give the same. Items of which there is
 * no vector are left out, and told to refused (may be NULL). Copies. INVALID_ARGUMENT for a number
 * that is not finite; the catalogue is then as it was.
 */
FERRY_API ferry_status ferry_catalog_set_vectors(ferry_catalog *catalog,
                                                 const ferry_modality_vectors *list, size_t count,
                                                 ferry_media_refused refused, void *refused_user,
                                                 ferry_error *error);

/*
 * Gives one of the three files that a catalogue is opened from, "catalog.json", "items.jsonl" or
 * "vectors.safetensors", to write, from its beginning to its end.
 */
FERRY_API ferry_status ferry_catalog_write(const ferry_catalog *catalog, const char *name,
                                           ferry_write write, void *user, ferry_error *error);

/* Writes catalog.json, items.jsonl and vectors.safetensors; each appears whole or not at all. */
FERRY_API ferry_status ferry_catalog_save_directory(const ferry_catalog *catalog, const char *path,
                                                    ferry_error *error);

/* Opens catalog.json, items.jsonl and vectors.safetensors. Borrows the vectors' bytes. */
FERRY_API ferry_status ferry_catalog_open(const ferry_file *files, size_t file_count,
                                          const ferry_catalog_options *options, ferry_catalog **out,
                                          ferry_error *error);
FERRY_API ferry_status ferry_catalog_open_directory(const char *path,
                                                    const ferry_catalog_options *options,
                                                    ferry_catalog **out, ferry_error *error);
FERRY_API void ferry_catalog_close(ferry_catalog *catalog);

/* The bits of what the item was encoded by; 0 if index >= count, or before it was. */
FERRY_API unsigned ferry_catalog_item_modalities(const ferry_catalog *catalog, size_t index);
/*
 * A vector that an encoder of the catalogue's model gave, of any length, as a row [dimension] that
 * products with items can be taken of, at unit length: zeros in the other segments. NOT_FOUND if
 * the catalogue has no such segment, INVALID_ARGUMENT if the vector's size is not the segment's.
 */
FERRY_API ferry_status ferry_catalog_row(const ferry_catalog *catalog, ferry_modality modality,
                                         const float *vector, size_t size, float *out,
                                         ferry_error *error);

/* A hash of the items' domains and ids, in their order: whether what was made of a catalogue still
 * belongs to it. */
FERRY_API uint64_t ferry_catalog_key(const ferry_catalog *catalog);
FERRY_API size_t ferry_catalog_count(const ferry_catalog *catalog);
FERRY_API size_t ferry_catalog_dimension(const ferry_catalog *catalog);
/* The items' unit vectors [count, dimension], in their order; NULL before they are encoded. */
FERRY_API const float *ferry_catalog_vectors(const ferry_catalog *catalog);
/* INVALID_ARGUMENT if index >= count. */
FERRY_API ferry_status ferry_catalog_item(const ferry_catalog *catalog, size_t index,
                                          ferry_item *out, ferry_error *error);
/* domain NULL or "" finds an id that only one domain has. NOT_FOUND names the id. */
FERRY_API ferry_status ferry_catalog_find(const ferry_catalog *catalog, const char *domain,
                                          const char *id, size_t *index, ferry_error *error);
FERRY_API size_t ferry_catalog_domain_count(const ferry_catalog *catalog);
/* Sorted by name; NULL if index >= domain_count. */
FERRY_API const char *ferry_catalog_domain(const ferry_catalog *catalog, size_t index);

/* ---- model ----------------------------------------------------------------------------------- */

typedef struct ferry_model ferry_model;

/*
 * Opens what `ferry train` or `ferry transfer` wrote: ferry.json, items.jsonl, model.safetensors.
 * Borrows the catalogue, copies the files. Items are matched by domain and id: what the model does
 * not know is scored by its content, domains it was not trained on by their texts. NOT_FOUND if the
 * catalogue lacks a domain of the model, INVALID_ARGUMENT if its texts were encoded by another
 * model. Read-only once open: visitors on several threads may share it.
 */
FERRY_API ferry_status ferry_model_open(const ferry_catalog *catalog, const ferry_file *files,
                                        size_t file_count, ferry_model **out, ferry_error *error);
/* The same from a directory on disk. Native builds only. */
FERRY_API ferry_status ferry_model_open_directory(const ferry_catalog *catalog, const char *path,
                                                  ferry_model **out, ferry_error *error);
FERRY_API void ferry_model_close(ferry_model *model);

/* ---- visitor --------------------------------------------------------------------------------- */

typedef struct ferry_visitor ferry_visitor;

/*
 * What an event weighs in the visitor's vector, X(name, text, weight). A rating's weight is
 * (value - 3) / 2 for a value of 1…5: 5 stars pull like a purchase, 1 star pushes as far away.
 * NOT_INTERESTED hides the item and says nothing of what is like it. OTHER is any behaviour of
 * another name (cart, play…), which says no more than a view until a model has learned what it is
 * worth. An item whose newest event weighs less than 0, or is NOT_INTERESTED, is a disliked one.
 */
#define FERRY_BEHAVIOR_LIST(X)                \
    X(PURCHASE, "purchase", 1.0f)             \
    X(VIEW, "view", 0.25f)                    \
    X(RATING, "rating", 1.0f)                 \
    X(LIKE, "like", 1.0f)                     \
    X(DISLIKE, "dislike", -1.0f)              \
    X(NOT_INTERESTED, "not_interested", 0.0f) \
    X(OTHER, "other", 0.25f)

typedef enum ferry_behavior {
#define FERRY_BEHAVIOR_ENUM(name, text, weight) FERRY_##name,
    FERRY_BEHAVIOR_LIST(FERRY_BEHAVIOR_ENUM)
#undef FERRY_BEHAVIOR_ENUM
        FERRY_BEHAVIOR_COUNT
} ferry_behavior;

typedef struct ferry_event {
    const char *item;
    const char *domain; /* NULL or "": the one domain that has the item */
    ferry_behavior behavior;
    double value;      /* of a rating: 1…5; otherwise unused */
    int64_t timestamp; /* seconds since 1970, or 0 if unknown */
    /* of FERRY_OTHER: what the model knows it by, 1 to 64 bytes; NULL: unnamed */
    const char *behavior_name;
} ferry_event;

/* Borrows the catalogue. */
FERRY_API ferry_status ferry_visitor_create(const ferry_catalog *catalog, ferry_visitor **out,
                                            ferry_error *error);
FERRY_API void ferry_visitor_close(ferry_visitor *visitor);

/* Adds one event; NOT_FOUND for an item the catalogue lacks. Copies. */
FERRY_API ferry_status ferry_visitor_add(ferry_visitor *visitor, const ferry_event *event,
                                         ferry_error *error);

/*
 * Adds a table of events: user, item, domain, behavior, value, timestamp (a missing behavior is a
 * purchase, or a rating if there is a value). user NULL takes all rows if they are of one user.
 * Rows that cannot be used, items the catalogue lacks among them, go to refused. *added counts.
 */
FERRY_API ferry_status ferry_visitor_add_table(ferry_visitor *visitor, const ferry_file *table,
                                               ferry_table_format format, const char *user,
                                               ferry_row_refused refused, void *refused_user,
                                               size_t *added, ferry_error *error);

/*
 * From now on recommendations are the model's; NULL: the texts alone. Borrows the model, which must
 * be of the visitor's catalogue. The history stays.
 */
FERRY_API ferry_status ferry_visitor_use(ferry_visitor *visitor, const ferry_model *model,
                                         ferry_error *error);

FERRY_API size_t ferry_visitor_event_count(const ferry_visitor *visitor);

/* The event that was added index-th, from 0; INVALID_ARGUMENT if index >= event_count. Its texts
 * live until the history changes. */
FERRY_API ferry_status ferry_visitor_event(const ferry_visitor *visitor, size_t index,
                                           ferry_event *out, ferry_error *error);

/*
 * Forgetting. Afterwards the visitor is, byte for byte, one that never had the events: the history,
 * what is known of each item, the profile it saves and its next recommendations. Memory that held
 * them is overwritten with zeros, that of past recommendations too. What the caller was given, and
 * the tables events came from, are the caller's to forget.
 */
/* The event added last; EMPTY_HISTORY if there is none. */
FERRY_API ferry_status ferry_visitor_undo(ferry_visitor *visitor, ferry_error *error);
/* All events of an item, which ferry_catalog_find finds; *removed, which may be NULL, counts. */
FERRY_API ferry_status ferry_visitor_forget(ferry_visitor *visitor, const char *domain,
                                            const char *item, size_t *removed, ferry_error *error);
/* The one event that ferry_visitor_event gives for index. */
FERRY_API ferry_status ferry_visitor_forget_event(ferry_visitor *visitor, size_t index,
                                                  ferry_error *error);
FERRY_API void ferry_visitor_forget_all(ferry_visitor *visitor);

/*
 * Writes the history as a profile, JSON that docs/profile.md describes: the same bytes for the same
 * events added in the same order. out holds capacity bytes; *size is how many there are, and if
 * they are more nothing is written.
 */
FERRY_API ferry_status ferry_visitor_save(const ferry_visitor *visitor, void *out, size_t capacity,
                                          size_t *size, ferry_error *error);
/*
 * Makes the history that of a profile, as if its events had been added one by one; on failure it
 * stays as it is. Events whose item the catalogue lacks go to refused, with their number, from 1,
 * in place of a line. *added, which may be NULL, counts the others.
 */
FERRY_API ferry_status ferry_visitor_load(ferry_visitor *visitor, const void *profile, size_t size,
                                          ferry_row_refused refused, void *refused_user,
                                          size_t *added, ferry_error *error);

typedef struct ferry_domain_weight {
    const char *domain;
    float weight;
} ferry_domain_weight;

typedef struct ferry_modality_weight {
    ferry_modality modality;
    float weight; /* 0…1 */
} ferry_modality_weight;

typedef struct ferry_item_name {
    const char *domain; /* NULL or "": the one domain that has the item */
    const char *id;
} ferry_item_name;

typedef struct ferry_limit {
    const char *name; /* of a domain, or of an item's field */
    size_t most;
} ferry_limit;

/*
 * What may be on a list, and what a good list is. docs/ranking.md has the language of conditions,
 * what counts as a duplicate, and examples.
 */
typedef struct ferry_recommend_options {
    size_t size;                /* sizeof(ferry_recommend_options) */
    size_t k;                   /* how many, at least 1; more than there are gives all there are */
    const char *const *domains; /* [domain_count] only from these; 0: from all */
    size_t domain_count;
    bool keep_seen;           /* default: items of the history are left out */
    bool keep_disliked;       /* default: what was disliked is left out, and what is very like it */
    bool keep_duplicates;     /* default: of one domain's items of one title, or of nearly the same
                                 vectors, the best stays, and none if the history has the title */
    float disliked_cosine;    /* 0: .9; above 1: what was disliked alone, nothing like it */
    float duplicate_cosine;   /* 0: .98; above 1: equal titles alone */
    const char *const *where; /* [where_count] conditions that all must hold: "price<20" */
    size_t where_count;
    const ferry_item_name *candidates; /* [candidate_count] only these; 0: all */
    size_t candidate_count;
    const ferry_limit *quotas; /* [quota_count] at most so many of a domain; may be 0 */
    size_t quota_count;
    const ferry_limit *at_most; /* [at_most_count] at most so many of each value of a field */
    size_t at_most_count;
    float diversity; /* 0 the best, in order; 1 as different as can be, after the best one */
    /* What the visitor can set. docs/profile.md says how each acts with a model and without. */
    double half_life; /* days after which an event says half as much; 0: none fades. Those without
                         a time do not fade. */
    int64_t now;      /* seconds since 1970 that half_life counts from; 0: the newest event's */
    float novelty;    /* 0…1: pushes down what is popular. UNSUPPORTED without a model */
    const ferry_domain_weight *domain_weights; /* [domain_weight_count] how much a domain's events
                                                  say, from 0, not at all; others 1 */
    size_t domain_weight_count;
    /* [modality_weight_count] shares of the score, of 1, that pictures have, say; the modalities
     * not named share the rest as the catalogue's weights do. The scores are those of a catalogue
     * made with these weights. UNSUPPORTED with a model, which knows items by their words. */
    const ferry_modality_weight *modality_weights;
    size_t modality_weight_count;
} ferry_recommend_options;

typedef struct ferry_recommendation {
    size_t item; /* index into the catalogue */
    /* Without a model: cosine of the visitor's vector and the item's, -1…1. With one: logarithm of
     * the item's share of its domain's softmax times the domain's share of the history (half an
     * event added to each), so that domains can be compared; at most 0. */
    float score;
} ferry_recommendation;

/*
 * How many items each stage removed; one that several would remove is the first one's. All of the
 * domains asked for are counted under filtered, seen and the disliked themselves; under what is
 * like a disliked item, duplicate and limited those that were met before the list was full.
 */
typedef struct ferry_excluded {
    size_t seen, disliked, duplicate;
    size_t filtered; /* no candidate, or not what a condition says */
    size_t limited;  /* over a quota or an at_most */
} ferry_excluded;

/*
 * The k items of the highest score, best first, equal scores by domain and id in byte order; with
 * diversity in the order in which they were chosen. out holds k entries, *count gets the number
 * written. Without a model the score is nearness to the weighted mean of the vectors in the
 * history, and EMPTY_HISTORY says that no event has a weight, or that they cancel out. With a model
 * an empty history gets what is popular, and what is like disliked items is pushed down.
 *
 * INVALID_ARGUMENT for a condition that cannot be read, naming the place in it; NOT_FOUND for a
 * domain, a candidate or a quota's domain that the catalogue lacks; LIMIT above 32 conditions and
 * at_most together. The first call with a field reads it from all items, which the visitor keeps.
 */
FERRY_API ferry_status ferry_visitor_recommend(ferry_visitor *visitor,
                                               const ferry_recommend_options *options,
                                               ferry_recommendation *out, size_t *count,
                                               ferry_excluded *excluded, ferry_error *error);

/* ---- why: explanations ----------------------------------------------------------------------- */

/* What a person is told that parts of a score are about: X(NAME, "name", "in a sentence"). */
#define FERRY_GROUP_LIST(X)                   \
    X(WORDS, "words", "words")                \
    X(PICTURE, "picture", "picture")          \
    X(SOUND, "sound", "sound")                \
    X(AUTHOR, "author", "who made it")        \
    X(OTHERS, "others", "what others did")    \
    X(POPULARITY, "popularity", "popularity") \
    X(NEW, "new", "its being new")

typedef enum ferry_group {
#define FERRY_GROUP_ENUM(name, text, words) FERRY_GROUP_##name,
    FERRY_GROUP_LIST(FERRY_GROUP_ENUM)
#undef FERRY_GROUP_ENUM
        FERRY_GROUP_COUNT
} ferry_group;

/* What the parts of a score come from, X(NAME, "name", group). docs/explanations.md says how each
 * is made. */
#define FERRY_REASON_LIST(X)                                                                     \
    X(TEXT, "text", WORDS)                  /* likeness of text vectors */                       \
    X(IMAGE, "image", PICTURE)              /* … of pictures' */                                 \
    X(AUDIO, "audio", SOUND)                /* … of sounds' */                                   \
    X(WORDS, "words", WORDS)                /* common words of title, tags and author */         \
    X(TITLE, "title", WORDS)                /* of the title */                                   \
    X(TAGS, "tags", WORDS)                  /* of the tags */                                    \
    X(PROFILE, "profile", WORDS)            /* learned likeness to texts of other domains */     \
    X(AUTHOR, "author", AUTHOR)             /* the same author */                                \
    X(NET, "net", OTHERS)                   /* the net, what all domains share of it: f_base */  \
    X(ADAPTER, "adapter", OTHERS)           /* … the domain's own: its adapter's */              \
    X(NEIGHBORS, "neighbors", OTHERS)       /* what others had next to it */                     \
    X(FACTORS, "factors", OTHERS)           /* what people of such factors had here */           \
    X(ACROSS, "across", OTHERS)             /* what people who had the same there had here */    \
    X(LINKED, "linked", OTHERS)             /* what people of other domains have here */         \
    X(DISLIKED, "disliked", WORDS)          /* likeness to texts of disliked items */            \
    X(BIAS, "bias", POPULARITY)             /* what the net gives whatever the history */        \
    X(POPULARITY, "popularity", POPULARITY) /* ln(1 + training events) */                        \
    X(NOVELTY, "novelty", POPULARITY)       /* what ferry_recommend_options.novelty takes off */ \
    X(NEW, "new", NEW)                      /* no training event */

typedef enum ferry_reason {
#define FERRY_REASON_ENUM(name, text, group) FERRY_REASON_##name,
    FERRY_REASON_LIST(FERRY_REASON_ENUM)
#undef FERRY_REASON_ENUM
        FERRY_REASON_COUNT
} ferry_reason;

/* "words"; NULL for a number that is none. */
FERRY_API const char *ferry_group_name(ferry_group group);
FERRY_API const char *ferry_reason_name(ferry_reason reason);
FERRY_API ferry_group ferry_reason_group(ferry_reason reason);

#define FERRY_NO_EVENT ((size_t)-1)

/* What one event, or none in particular, puts into the score for one reason. */
typedef struct ferry_contribution {
    size_t event; /* as ferry_visitor_event counts, or FERRY_NO_EVENT */
    ferry_reason reason;
    double value;
} ferry_contribution;

typedef struct ferry_explained_event {
    size_t item; /* index into the catalogue */
    double sum;  /* of the event's contributions */
} ferry_explained_event;

/*
 * Why an item has its score: score = constant + sum of contributions + residual.
 *
 * Without a model the score is linear in the events given its norm. With one, what is inside the
 * softmax is decomposed; the constant is what it has in common with all items of its domain (the
 * softmax's shift, the domain's share, what a reason gives everything). `approximate` marks parts
 * that are not linear, whose value is distributed over the events by a rule (docs/explanations.md).
 * The residual is rounding, and is checked: at most 1e-5 of what is added up, or
 * ferry_visitor_explain fails with INCONSISTENT. Only for a net that is not linear (lstm, gru,
 * transformer), `complete` is false and the residual is what leaving out single events does not
 * account for.
 */
typedef struct ferry_explanation {
    size_t item;
    float score;
    double constant, residual;
    bool complete;
    bool approximate[FERRY_REASON_COUNT];
    const ferry_contribution *contributions; /* [contribution_count] by event, then reason; last
                                                those of no event; what is 0 is left out */
    size_t contribution_count;
    const ferry_explained_event *events; /* [event_count] as ferry_visitor_event counts */
    size_t event_count;
    double group[FERRY_GROUP_COUNT]; /* sums of the contributions */
    /* Shares of the groups whose sum is positive, in whole percent: 100 together by the largest
     * remainder, or all 0 if no sum is positive. */
    unsigned percent[FERRY_GROUP_COUNT];
    size_t because;       /* the event of the largest positive sum, or FERRY_NO_EVENT */
    const char *sentence; /* English: "because you bought X; 62 % words, 38 % what others did" */
} ferry_explanation;

/*
 * Explains the score that ferry_visitor_recommend gives the item with these options, whether or not
 * it would be in the list. Gives.
 * INVALID_ARGUMENT for an item beyond the catalogue, EMPTY_HISTORY as ferry_visitor_recommend.
 */
FERRY_API ferry_status ferry_visitor_explain(ferry_visitor *visitor,
                                             const ferry_recommend_options *options, size_t item,
                                             ferry_explanation **out, ferry_error *error);
FERRY_API void ferry_explanation_free(ferry_explanation *explanation); /* NULL is fine */

/* Without these events another item would be the first of the list. */
typedef struct ferry_counterfactual {
    size_t item;               /* the first, index into the catalogue */
    size_t instead;            /* which would take its place */
    const size_t *events;      /* [event_count] ascending, as ferry_visitor_event counts */
    const size_t *event_items; /* [event_count] their items */
    size_t event_count;
    bool smallest; /* proven: no set of fewer events does */
} ferry_counterfactual;

/*
 * The smallest set of events of the history without which another item would be the first. What may
 * be in the list stays the same: items of the events left out are not offered for that. The set is
 * verified by ranking once more without it. Of a history of at most 12 events it is the smallest;
 * of a longer one `smallest` says whether that is known. Gives; *out is NULL, with OK, if the list
 * is empty or no set was found.
 */
FERRY_API ferry_status ferry_visitor_counterfactual(ferry_visitor *visitor,
                                                    const ferry_recommend_options *options,
                                                    ferry_counterfactual **out, ferry_error *error);
FERRY_API void ferry_counterfactual_free(ferry_counterfactual *counterfactual); /* NULL is fine */
/* ---- search ---------------------------------------------------------------------------------- */

/*
 * The nearest of many vectors, exactly, over int8 copies of them: a byte a number and one scale a
 * vector. Scores are inner products, so of unit vectors their cosine; they have the same bits on
 * every machine, with any kernels and threads, and whatever was added or removed before.
 * docs/search.md has what int8 and the two stages cost and save.
 */
typedef struct ferry_index ferry_index;

typedef struct ferry_index_options {
    size_t size;                      /* sizeof(ferry_index_options) */
    const ferry_allocator *allocator; /* NULL: malloc */
    const char *kernels;              /* see ferry_kernels_name */
    size_t threads;                   /* how many search, as of ferry_encoder_options */
    bool signs; /* keeps one bit a number besides, for ferry_search_options.candidates */
} ferry_index_options;

/* An empty index of vectors of dimension numbers, 1…65536. */
FERRY_API ferry_status ferry_index_create(size_t dimension, const ferry_index_options *options,
                                          ferry_index **out, ferry_error *error);
FERRY_API void ferry_index_close(ferry_index *index);

/*
 * Adds, replaces or removes count vectors, ids [count] and vectors [count, dimension]: all of them
 * or, on failure, none. An id is any number of the caller's, in the index at most once: adding one
 * that is there is INVALID_ARGUMENT, replacing or removing one that is not NOT_FOUND. Numbers must
 * be finite and at most 1e15 in magnitude. Each takes time in proportion to count, whatever the
 * index holds. Copies.
 */
FERRY_API ferry_status ferry_index_add(ferry_index *index, const uint64_t *ids,
                                       const float *vectors, size_t count, ferry_error *error);
FERRY_API ferry_status ferry_index_replace(ferry_index *index, const uint64_t *ids,
                                           const float *vectors, size_t count, ferry_error *error);
FERRY_API ferry_status ferry_index_remove(ferry_index *index, const uint64_t *ids, size_t count,
                                          ferry_error *error);

FERRY_API size_t ferry_index_count(const ferry_index *index);
FERRY_API size_t ferry_index_dimension(const ferry_index *index);
FERRY_API bool ferry_index_contains(const ferry_index *index, uint64_t id);
/* Bytes that the index holds. */
FERRY_API size_t ferry_index_memory(const ferry_index *index);

typedef struct ferry_search_options {
    size_t size; /* sizeof(ferry_search_options) */
    size_t k;    /* how many, at least 1 */
    /* 0: every vector is scored. Else only so many of each query, at least k: those whose signs
     * agree most with its own. Faster by far, and may miss some. Needs ferry_index_options.signs.
     */
    size_t candidates;
} ferry_search_options;

/*
 * The k vectors of the highest score for each of the queries [query_count, dimension], best first,
 * equal scores by id. ids and scores (may be NULL) are [query_count, k]; *count, the least of k and
 * ferry_index_count, is how many of each k were written. Many queries in one call take less time
 * than one by one, and give the same.
 */
FERRY_API ferry_status ferry_index_search(ferry_index *index, const float *queries,
                                          size_t query_count, const ferry_search_options *options,
                                          uint64_t *ids, float *scores, size_t *count,
                                          ferry_error *error);

/*
 * A safetensors file: vectors I8 [count, dimension], scale F32 [count], ids U64 [count]; the signs
 * are made anew. Loading copies; options as of ferry_index_create.
 */
FERRY_API ferry_status ferry_index_save(const ferry_index *index, ferry_write write, void *user,
                                        ferry_error *error);
FERRY_API ferry_status ferry_index_load(const ferry_file *file, const ferry_index_options *options,
                                        ferry_index **out, ferry_error *error);
/* The same to and from a path; the file appears whole or not at all. Native builds only. */
FERRY_API ferry_status ferry_index_save_file(const ferry_index *index, const char *path,
                                             ferry_error *error);
FERRY_API ferry_status ferry_index_load_file(const char *path, const ferry_index_options *options,
                                             ferry_index **out, ferry_error *error);

typedef struct ferry_nearest_options {
    size_t size;                /* sizeof(ferry_nearest_options) */
    size_t k;                   /* how many, at least 1 */
    const char *const *domains; /* [domain_count] only from these; 0: from all */
    size_t domain_count;
    unsigned modalities; /* only by these, bits of FERRY_MODALITY_LIST; 0: by the whole vectors */
} ferry_nearest_options;

/*
 * The k items of a catalogue whose vectors have the largest inner product with query [dimension],
 * by the f32 vectors themselves: for one query of what is open anyway. An item's own vector, and
 * what ferry_catalog_row gives, are unit vectors: the score is then the cosine. With `modalities`
 * it is the cosine of these segments alone, and items that have none of them are left out. Best
 * first, equal scores by domain and id in byte order. out holds k entries, *count gets the number
 * written. NOT_FOUND for a modality that the catalogue lacks, or the query.
 */
FERRY_API ferry_status ferry_catalog_nearest(const ferry_catalog *catalog, const float *query,
                                             const ferry_nearest_options *options,
                                             ferry_recommendation *out, size_t *count,
                                             ferry_error *error);

/* ---- alignment: what texts and pictures say of each other ---------------------------------------
 */

/*
 * Pictures, or sounds, in the space of texts, learned from the items of a catalogue that have both:
 * a text then finds items by their pictures, and a picture finds them by their texts.
 * docs/fusion.md tells the methods, the files and what each is worth.
 */
typedef struct ferry_alignment ferry_alignment;

/* What it is learned from. All borrowed, for the call alone. */
typedef struct ferry_align_data {
    size_t count;          /* items */
    size_t F, D;           /* numbers of a feature and of a text embedding */
    const float *features; /* [count, F] zeros: the item has none */
    const float *text;     /* [count, D] zeros: the item has none */
    /* The image model's classifier and its classes' names as text embeddings, which make the
     * bridge: without them (C 0) there is none. */
    size_t C;
    const float *classifier;        /* [C, F] */
    const float *classifier_bias;   /* [C] */
    const float *labels;            /* [C, D] */
    const char *modality;           /* "image", "audio"; NULL: "image" */
    const char *model, *text_model; /* names for messages and files; may be NULL */
    uint64_t key; /* ferry_catalog_key of the catalogue, for ferry_alignment_nearest; 0: any */
} ferry_align_data;

/* What makes places of features, to be or-ed together. */
enum { FERRY_ALIGN_BRIDGE = 1, FERRY_ALIGN_RIDGE = 2, FERRY_ALIGN_INFONCE = 4 };

typedef struct ferry_align_options {
    size_t size;                      /* sizeof(ferry_align_options) */
    const ferry_allocator *allocator; /* NULL: malloc */
    const char *kernels;              /* see ferry_kernels_name */
    size_t threads;                   /* as of ferry_encoder_options; the bits are the same */
    unsigned methods;                 /* 0: bridge and ridge, or ridge alone without a classifier */
    uint64_t seed;                    /* of infonce */
    size_t hidden, epochs, batch;     /* of infonce; 0: 512, 60, 256 */
    double learning_rate, weight_decay; /* of infonce; 0: 1e-3, .1 */
    float dropout;                      /* of infonce; 0: .3, negative: none */
    ferry_progress progress;            /* infonce's epochs; called several times from 0 */
    void *progress_user;
} ferry_align_options;

/*
 * Learns an alignment; how the methods are weighed against each other is chosen on these items
 * alone. Means are those of all items that have a text, or a feature. INVALID_ARGUMENT where less
 * than eight items have both and a method needs them.
 */
FERRY_API ferry_status ferry_alignment_learn(const ferry_align_data *data,
                                             const ferry_align_options *options,
                                             ferry_alignment **out, ferry_error *error);

/* Of n pairs among each other: shares that have their other half first, and among the first ten. */
typedef struct ferry_align_figures {
    size_t splits, learned, candidates; /* pairs learned from and ranked, in the last split */
    double text_to_feature[2], feature_to_text[2]; /* R@1, R@10, means over the splits */
} ferry_align_figures;

/*
 * How good an alignment of these items would be: learned from a share of the pairs, drawn anew in
 * each of the splits, and asked about the others. Of items with the very same text the first counts
 * alone.
 */
FERRY_API ferry_status ferry_alignment_evaluate(const ferry_align_data *data,
                                                const ferry_align_options *options, size_t splits,
                                                double share, ferry_align_figures *out,
                                                ferry_error *error);

/* From align.json and align.safetensors, whose bytes are borrowed until close; or a directory of
 * them, native builds only. */
FERRY_API ferry_status ferry_alignment_open(const ferry_file *files, size_t file_count,
                                            const ferry_catalog_options *options,
                                            ferry_alignment **out, ferry_error *error);
FERRY_API ferry_status ferry_alignment_open_directory(const char *path,
                                                      const ferry_catalog_options *options,
                                                      ferry_alignment **out, ferry_error *error);
FERRY_API ferry_status ferry_alignment_save_directory(const ferry_alignment *alignment,
                                                      const char *path, ferry_error *error);
FERRY_API void ferry_alignment_close(ferry_alignment *alignment); /* NULL is fine */

FERRY_API size_t ferry_alignment_dimension(const ferry_alignment *alignment); /* of places */
FERRY_API size_t ferry_alignment_features(const ferry_alignment *alignment);

/* Places [count, dimension], of length 1, of text embeddings [count, dimension] and of features
 * [count, features]: whose inner products are nearness. Zeros have none, and give zeros. */
FERRY_API ferry_status ferry_alignment_place_texts(const ferry_alignment *alignment,
                                                   const float *texts, size_t count, float *out,
                                                   ferry_error *error);
FERRY_API ferry_status ferry_alignment_place_features(const ferry_alignment *alignment,
                                                      const float *features, size_t count,
                                                      float *out, ferry_error *error);

/*
 * The items of the catalogue it was learned from that are nearest to a place [dimension]: by their
 * features, or by their texts; otherwise as ferry_catalog_nearest. Items without one are left out.
 * INVALID_ARGUMENT if the catalogue has other items, or texts of another dimension.
 */
FERRY_API ferry_status ferry_alignment_nearest(const ferry_alignment *alignment,
                                               const ferry_catalog *catalog, const float *place,
                                               bool by_features,
                                               const ferry_nearest_options *options,
                                               ferry_recommendation *out, size_t *count,
                                               ferry_error *error);

/* ---- fusion: one vector of text, picture and sound ----------------------------------------------
 */

/* f_fusion(text, image, audio), learned from a catalogue by itself: X(NAME, "name"). */
#define FERRY_FUSION_LIST(X)                                                      \
    X(CONCAT, "concat")   /* one beside the other, then a dense layer and ReLU */ \
    X(GATED, "gated")     /* a share for each, which depends on what it is */     \
    X(PROJECT, "project") /* pictures and sounds projected into the space of texts */

typedef enum ferry_fusion_kind {
#define FERRY_FUSION_ENUM(name, text) FERRY_FUSION_##name,
    FERRY_FUSION_LIST(FERRY_FUSION_ENUM)
#undef FERRY_FUSION_ENUM
        FERRY_FUSION_COUNT
} ferry_fusion_kind;

typedef struct ferry_fusion ferry_fusion;

/* Items' texts, pictures and sounds, in this order. Zeros: the item has none. Borrowed. */
typedef struct ferry_fusion_data {
    size_t count;
    const float *x[3];   /* [count, dimension], NULL where dimension is 0 */
    size_t dimension[3]; /* 0: no item has one */
} ferry_fusion_data;

typedef struct ferry_fusion_options {
    size_t size;                      /* sizeof(ferry_fusion_options) */
    const ferry_allocator *allocator; /* NULL: malloc */
    const char *kernels;              /* see ferry_kernels_name */
    size_t threads;                   /* as of ferry_encoder_options; the bits are the same */
    ferry_fusion_kind kind;
    size_t dimension; /* of what comes out; 0: 128, or of project the text's, its only one */
    uint64_t seed;
    size_t epochs, batch;               /* 0: 60, 256 */
    double learning_rate, weight_decay; /* 0: 1e-3, .1 */
    float dropout;                      /* of the inputs; 0: .2, negative: none */
    ferry_progress progress;            /* epochs */
    void *progress_user;
} ferry_fusion_options;

/* INVALID_ARGUMENT with less than two items that have anything. */
FERRY_API ferry_status ferry_fusion_learn(const ferry_fusion_data *data,
                                          const ferry_fusion_options *options, ferry_fusion **out,
                                          ferry_error *error);

/* From fusion.json and fusion.safetensors, which are copied; or a directory of them, native builds
 * only. */
FERRY_API ferry_status ferry_fusion_open(const ferry_file *files, size_t file_count,
                                         const ferry_catalog_options *options, ferry_fusion **out,
                                         ferry_error *error);
FERRY_API ferry_status ferry_fusion_open_directory(const char *path,
                                                   const ferry_catalog_options *options,
                                                   ferry_fusion **out, ferry_error *error);
FERRY_API ferry_status ferry_fusion_save_directory(const ferry_fusion *fusion, const char *path,
                                                   ferry_error *error);
FERRY_API void ferry_fusion_close(ferry_fusion *fusion); /* NULL is fine */

FERRY_API size_t ferry_fusion_dimension(const ferry_fusion *fusion);

/*
 * out [count, ferry_fusion_dimension] of length 1, and in used [count] (may be NULL) what went into
 * each: bit 0 text, 1 image, 2 audio. Zeros, and 0, for an item without any.
 */
FERRY_API ferry_status ferry_fusion_apply(const ferry_fusion *fusion, const ferry_fusion_data *data,
                                          float *out, unsigned char *used, ferry_error *error);

#ifdef __cplusplus
}
#endif

#endif
