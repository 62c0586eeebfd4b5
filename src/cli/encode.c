/* ferry encode: texts, pictures or sounds to embeddings. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/encode_labels.h"
#include "input/safetensors.h"

static const char help[] =
    "Usage: ferry encode --model DIR [--text TEXT]… [--image FILE]… [--audio FILE]…\n"
    "                    [--out FILE.safetensors | --json]\n\n"
    "Encodes texts, pictures or sounds, whichever the model is for; without any, JSONL on stdin:\n"
    "{\"id\",\"text\"}, {\"id\",\"image\"} or {\"id\",\"audio\"} a line. An id that is missing is "
    "the "
    "line's\n"
    "number among those encoded, from 0. Invalid UTF-8 in --text reads as U+FFFD. Of a model of\n"
    "texts and pictures (CLIP, SigLIP) the first line tells which the lines are.\n\n"
    "  --model DIR       a Hugging Face directory of a text encoder, or that of an image or sound\n"
    "                    encoder\n"
    "  --text TEXT       may be given several times\n"
    "  --image FILE      PNG, JPEG or WebP; may be given several times\n"
    "  --image-fit F     pad: all of a picture, in the middle of a white square; the default.\n"
    "                    model: as the model's own files say, which mostly cut out the middle\n"
    "  --label TEXT      may be given several times: instead of pictures' embeddings, how probable "
    "it is\n"
    "                    that each label says what is seen, {\"id\",\"labels\":{\"a cat\":.9,…}}, "
    "the most\n"
    "                    probable first; of models of texts and pictures\n"
    "  --template TEXT   what a label is put into, in the place of {}; else \"This is a photo of "
    "{}.\"\n"
    "  --audio FILE      WAV, FLAC or OGG; may be given several times\n"
    "  --logits          what the model's classifier gives in place of the embedding; of sounds "
    "how\n"
    "                    likely each tag is, as {\"id\",\"tags\":{\"guitar\":.9,…}}, likeliest "
    "first\n"
    "  --out FILE        one tensor \"embeddings\", F32 [texts, dimension], in the order given; "
    "of\n"
    "                    labels \"probabilities\" [pictures, labels]\n"
    "  --json            {\"id\",\"embedding\":[…]} a line on stdout; the "
    "default\n" CLI_COMPUTE_HELP
    "  --strict          a line that cannot be read, or its picture or sound, is an error; else it "
    "is\n"
    "                    reported and left out\n"
    "  -q, --quiet       no progress, no report of lines left out\n"
    "  -h, --help\n";

typedef struct encode_options {
    const char *model, *out, *template;
    cli_list texts, images, sounds, labels;
    ferry_image_fit image_fit;
    cli_compute compute;
    bool json, logits;
    cli_report report;
} encode_options;

/* Texts to encode, or paths of pictures or sounds: either argv's, or read from lines. */
typedef struct text_list {
    ferry_modality modality;
    bool open;         /* texts or pictures: the first line tells */
    ferry_text *texts; /* [count]; data is NUL-terminated */
    const char **ids;  /* [count] */
    size_t *lines;     /* [count] they come from, counted from 1; 0: the command line */
    size_t count, capacity;
    ferry_arena arena;
} text_list;

static bool add_text(text_list *list, const char *id, const char *text, size_t line)
{
    if (list->count == list->capacity) {
        size_t more = list->capacity == 0 ? 64 : 2 * list->capacity;
        ferry_text *texts = realloc(list->texts, more * sizeof *texts);
        if (texts != NULL) list->texts = texts;
        const char **ids = realloc(list->ids, more * sizeof *ids);
        if (ids != NULL) list->ids = ids;
        size_t *lines = realloc(list->lines, more * sizeof *lines);
        if (lines != NULL) list->lines = lines;
        if (texts == NULL || ids == NULL || lines == NULL) return false;
        list->capacity = more;
    }
    char number[32];
    snprintf(number, sizeof number, "%zu", list->count);
    if (id == NULL) id = number;
    size_t size = strlen(text);
    const char *text_copy = ferry_arena_text(&list->arena, text, size);
    const char *id_copy = ferry_arena_text(&list->arena, id, strlen(id));
    if (text_copy == NULL || id_copy == NULL) return false;
    list->texts[list->count] = (ferry_text){text_copy, size};
    list->lines[list->count] = line;
    list->ids[list->count++] = id_copy;
    return true;
}

/* MALFORMED is the line's fault, and can be left out. */
static ferry_status add_line(text_list *list, const char *line, size_t size, size_t number,
                             ferry_error *error)
{
    cJSON *json;
    const char *id = NULL, *text = NULL;
    FERRY_TRY(ferry_json_parse(line, size, "line", &json, error));
    if (list->open && ferry_json_get(json, ferry_modality_name(FERRY_MODALITY_TEXT)) != NULL)
        list->modality = FERRY_MODALITY_TEXT;
    const char *key = ferry_modality_name(list->modality);
    ferry_status status = ferry_json_string(json, "id", "line", &id, error);
    if (status == FERRY_OK) status = ferry_json_string(json, key, "line", &text, error);
    if (status == FERRY_OK && text == NULL)
        status = ferry_fail(error, FERRY_MALFORMED, "no \"%s\"", key);
    if (status == FERRY_OK && !add_text(list, id, text, number))
        status = ferry_fail_memory(error, "the texts");
    if (status == FERRY_OK) list->open = false;
    cJSON_Delete(json);
    return status;
}

static ferry_status read_lines(text_list *list, encode_options *options, ferry_error *error)
{
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, list->arena.allocator);
    ferry_status status = cli_read_file("-", &buffer, error);
    size_t number = 0;
    for (size_t start = 0, end; status == FERRY_OK && start < buffer.size; start = end + 1) {
        const char *line = buffer.data + start;
        const char *stop = memchr(line, '\n', buffer.size - start);
        end = stop != NULL ? (size_t)(stop - buffer.data) : buffer.size;
        number++;
        if (strspn(line, " \t\r") >= end - start) continue;
        status = add_line(list, line, end - start, number, error);
        if (status != FERRY_MALFORMED && status != FERRY_LIMIT) continue;
        if (cli_refused(&options->report, "stdin", number, error->message)) status = FERRY_OK;
    }
    ferry_buffer_free(&buffer);
    cli_report_end(&options->report);
    if (status == FERRY_OK && list->count == 0 && !options->report.quiet)
        fprintf(stderr, "ferry encode: no %s on stdin\n", ferry_modality_name(list->modality));
    return status;
}

/* ---- output ---- */

/* What an output is made of: [rows, N] numbers, embeddings or, where names are given, how likely
 * each of those is. */
typedef struct output {
    const char *key;          /* in JSON */
    const char *tensor;       /* in a file */
    const char *const *names; /* [N], or NULL */
    const float *numbers;
    size_t N;
} output;

/* Appends {name: likelihood…} of a row, likeliest first. */
static bool add_names(cJSON *json, const output *out, const float *tags)
{
    size_t N = out->N;
    cJSON *object = cJSON_AddObjectToObject(json, out->key);
    bool *given = calloc(N, sizeof *given), added = object != NULL && given != NULL;
    for (size_t left = N; left > 0 && added; left--) {
        size_t best = N;
        for (size_t n = 0; n < N; n++)
            if (!given[n] && (best == N || tags[n] > tags[best])) best = n;
        given[best] = true;
        added = ferry_json_add(object, out->names[best], ferry_json_from_float(tags[best]));
    }
    free(given);
    return added;
}

static bool add_numbers(cJSON *json, const output *out, const float *numbers)
{
    cJSON *array = cJSON_AddArrayToObject(json, out->key);
    bool added = array != NULL;
    for (size_t n = 0; n < out->N && added; n++)
        added = ferry_json_add_to_array(array, ferry_json_from_float(numbers[n]));
    return added;
}

static ferry_status print_json(const text_list *list, const output *out, ferry_error *error)
{
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, list->arena.allocator);
    bool printed = true;
    for (size_t i = 0; i < list->count && printed; i++) {
        cJSON *json = cJSON_CreateObject();
        printed = cJSON_AddStringToObject(json, "id", list->ids[i]) != NULL;
        const float *row = out->numbers + i * out->N;
        if (printed) printed = (out->names != NULL ? add_names : add_numbers)(json, out, row);
        buffer.size = 0;
        printed = printed && ferry_json_append(&buffer, json);
        if (printed) printf("%.*s\n", (int)buffer.size, buffer.data);
        cJSON_Delete(json);
    }
    ferry_buffer_free(&buffer);
    return printed ? FERRY_OK : ferry_fail_memory(error, "the embeddings as JSON");
}

static ferry_status write_tensor(const char *path, const output *out, size_t count,
                                 ferry_error *error)
{
    ferry_buffer head;
    ferry_buffer_init(&head, ferry_allocator_or_default(NULL));
    ferry_tensor tensor = {.name = out->tensor,
                           .dtype = FERRY_F32,
                           .rank = 2,
                           .shape = {count, out->N},
                           .count = count * out->N,
                           .data = out->numbers,
                           .size = count * out->N * sizeof *out->numbers};
    ferry_status status = ferry_safetensors_write(&tensor, 1, NULL, 0, &head, error);
    if (status == FERRY_OK) status = cli_write_file(path, &head, error);
    ferry_buffer_free(&head);
    return status;
}

/* ---- pictures and sounds ---- */

/* One after the other, so that one picture's pixels are in memory at a time. Leaves out of the
 * list, and of embeddings, what lines name and cannot be read. */
static ferry_status encode_files(ferry_encoder *encoder, text_list *list, size_t N,
                                 float *embeddings, encode_options *options, ferry_error *error)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        ferry_status status = cli_encode_file(encoder, list->modality, list->texts[i].data,
                                              options->logits, embeddings + kept * N, error);
        bool forgivable = list->lines[i] > 0 && status != FERRY_OUT_OF_MEMORY;
        if (status != FERRY_OK &&
            !(forgivable && cli_refused(&options->report, "stdin", list->lines[i], error->message)))
            return status;
        if (status == FERRY_OK) {
            list->texts[kept] = list->texts[i];
            list->ids[kept++] = list->ids[i];
        }
        if (!cli_progress(&options->report, i + 1, list->count))
            return ferry_fail(error, FERRY_CANCELLED, "cancelled after %zu of %zu %s", i + 1,
                              list->count, cli_units[list->modality]);
    }
    list->count = kept;
    cli_report_end(&options->report);
    return FERRY_OK;
}

static ferry_status write_output(const text_list *list, const encode_options *options,
                                 const output *out, ferry_error *error)
{
    if (options->out != NULL) FERRY_TRY(write_tensor(options->out, out, list->count, error));
    return options->json ? print_json(list, out, error) : FERRY_OK;
}

static ferry_status write_tags(const ferry_encoder *encoder, const text_list *list,
                               const encode_options *options, const float *tags, size_t N,
                               ferry_error *error)
{
    const char **names = calloc(N, sizeof *names);
    if (names == NULL) return ferry_fail_memory(error, "the tags' names");
    for (size_t n = 0; n < N; n++) names[n] = ferry_encoder_class_name(encoder, n);
    output out = {"tags", "embeddings", names, tags, N};
    ferry_status status = write_output(list, options, &out, error);
    free(names);
    return status;
}

static ferry_status write_labels(ferry_encoder *encoder, const text_list *list,
                                 const encode_options *options, const float *embeddings,
                                 ferry_error *error)
{
    float *probabilities;
    FERRY_TRY(cli_compare_labels(encoder, &options->labels, options->template, embeddings,
                                 list->count, &probabilities, error));
    output out = {"labels", "probabilities", options->labels.values, probabilities,
                  options->labels.count};
    ferry_status status = write_output(list, options, &out, error);
    free(probabilities);
    return status;
}

static ferry_status encode(ferry_encoder *encoder, text_list *list, encode_options *options,
                           ferry_error *error)
{
    size_t N = options->logits ? ferry_encoder_classes(encoder) : ferry_encoder_dimension(encoder);
    if (options->logits && (list->modality == FERRY_MODALITY_TEXT || N == 0))
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: a model without a classifier",
                          options->model);
    float *embeddings = calloc(list->count > 0 ? list->count : 1, N * sizeof *embeddings);
    if (embeddings == NULL) return ferry_fail_memory(error, "the embeddings");
    cli_catch_interrupt();
    ferry_status status = list->modality != FERRY_MODALITY_TEXT
                              ? encode_files(encoder, list, N, embeddings, options, error)
                              : ferry_encoder_encode(encoder, list->texts, list->count, embeddings,
                                                     cli_progress, &options->report, error);
    output plain = {"embedding", "embeddings", NULL, embeddings, N};
    if (status == FERRY_OK && options->labels.count > 0)
        status = write_labels(encoder, list, options, embeddings, error);
    else if (status == FERRY_OK && options->logits && list->modality == FERRY_MODALITY_AUDIO)
        status = write_tags(encoder, list, options, embeddings, N, error);
    else if (status == FERRY_OK)
        status = write_output(list, options, &plain, error);
    free(embeddings);
    return status;
}

static int run(encode_options *options)
{
    ferry_error error = {0};
    ferry_encoder *encoder = NULL;
    ferry_encoder_options open = cli_encoder_options(&options->compute);
    open.image_fit = options->image_fit;
    text_list list = {0};
    ferry_arena_init(&list.arena, ferry_allocator_or_default(NULL));
    ferry_status status = ferry_encoder_open_directory(options->model, &open, &encoder, &error);
    const cli_list *all[] = {&options->texts, &options->images, &options->sounds}, *given = all[0];
    if (status == FERRY_OK && ferry_encoder_takes_images(encoder))
        list.modality = FERRY_MODALITY_IMAGE;
    if (status == FERRY_OK && ferry_encoder_takes_sounds(encoder))
        list.modality = FERRY_MODALITY_AUDIO;
    list.open = list.modality == FERRY_MODALITY_IMAGE && ferry_encoder_takes_texts(encoder) &&
                options->labels.count == 0;
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++) {
        if (all[i]->count == 0) continue;
        given = all[i];
        list.modality = (ferry_modality)i;
    }
    options->report.unit = cli_units[list.modality];
    for (size_t i = 0; i < given->count && status == FERRY_OK; i++) {
        if (!add_text(&list, NULL, given->values[i], 0))
            status = ferry_fail_memory(&error, "the texts");
    }
    if (status == FERRY_OK && given->count == 0) status = read_lines(&list, options, &error);
    if (status == FERRY_OK) status = encode(encoder, &list, options, &error);
    ferry_encoder_close(encoder);
    ferry_arena_free(&list.arena);
    free(list.texts);
    free(list.ids);
    free(list.lines);
    return status == FERRY_OK ? EXIT_OK : cli_fail("encode", status, &error);
}

static bool parse_fit(const char *text, ferry_image_fit *out)
{
#define WORD(name, word) word,
    static const char *const words[] = {FERRY_IMAGE_FIT_LIST(WORD)};
#undef WORD
    int found = cli_parse_word("encode", "--image-fit", text, words, FERRY_IMAGE_FIT_COUNT);
    if (found >= 0) *out = (ferry_image_fit)found;
    return found >= 0;
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, encode_options *options)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"model", required_argument, NULL, 'm'},
                                          {"text", required_argument, NULL, 't'},
                                          {"image", required_argument, NULL, 'i'},
                                          {"image-fit", required_argument, NULL, 'f'},
                                          {"audio", required_argument, NULL, 'a'},
                                          {"label", required_argument, NULL, 'L'},
                                          {"template", required_argument, NULL, 'T'},
                                          {"logits", no_argument, NULL, 'l'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"json", no_argument, NULL, 'j'},
                                          CLI_COMPUTE_OPTIONS,
                                          {"strict", no_argument, NULL, 's'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        switch (c) {
        case 'm': options->model = optarg; break;
        case 't': options->texts.values[options->texts.count++] = optarg; break;
        case 'i': options->images.values[options->images.count++] = optarg; break;
        case 'a': options->sounds.values[options->sounds.count++] = optarg; break;
        case 'f':
            if (!parse_fit(optarg, &options->image_fit)) return EXIT_USAGE;
            break;
        case 'o': options->out = optarg; break;
        case 'l': options->logits = true; break;
        case 'L': options->labels.values[options->labels.count++] = optarg; break;
        case 'T': options->template = optarg; break;
        case 'j': options->json = true; break;
        case 's': options->report.strict = true; break;
        case 'K': options->compute.kernels = optarg; break;
        case 'q': options->report.quiet = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default:
            if (!cli_parse_compute("encode", c, optarg, &options->compute)) return EXIT_USAGE;
        }
    }
    if (optind < argc) return cli_usage("encode", "unexpected word \"%s\"", argv[optind]);
    if (options->model == NULL) return cli_usage("encode", "--model is missing");
    if ((options->texts.count > 0) + (options->images.count > 0) + (options->sounds.count > 0) > 1)
        return cli_usage("encode", "--text, --image and --audio: one of them");
    if (options->labels.count > 0 &&
        (options->texts.count > 0 || options->sounds.count > 0 || options->logits))
        return cli_usage("encode", "--label is for pictures' embeddings");
    if (options->template != NULL && options->labels.count == 0)
        return cli_usage("encode", "--template without a --label");
    if (options->out != NULL && (options->out[0] == '\0' || strcmp(options->out, "-") == 0))
        return cli_usage("encode", "--out \"%s\": expected a file", options->out);
    if (options->out == NULL) options->json = true;
    return -1;
}

int cli_encode(int argc, char **argv)
{
    encode_options options = {.texts = cli_list_make(argc),
                              .images = cli_list_make(argc),
                              .sounds = cli_list_make(argc),
                              .labels = cli_list_make(argc),
                              .report = {.subcommand = "encode", .unit = "texts"}};
    int code = parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    cli_list_free(&options.texts);
    cli_list_free(&options.images);
    cli_list_free(&options.sounds);
    cli_list_free(&options.labels);
    return code;
}
