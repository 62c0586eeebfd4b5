/* ferry encode: texts to embeddings. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/cli.h"
#include "input/safetensors.h"

static const char help[] =
    "Usage: ferry encode --model DIR [--text TEXT]… [--out FILE.safetensors | --json]\n\n"
    "Encodes texts; without --text, JSONL on stdin: {\"id\",\"text\"} a line. An id that is "
    "missing is\n"
    "the text's number, from 0. Invalid UTF-8 in --text reads as U+FFFD.\n\n"
    "  --model DIR       a Hugging Face directory of a text encoder\n"
    "  --text TEXT       may be given several times\n"
    "  --out FILE        one tensor \"embeddings\", F32 [texts, dimension], in the order of the "
    "texts\n"
    "  --json            {\"id\",\"embedding\":[…]} a line on stdout; the "
    "default\n" CLI_COMPUTE_HELP
    "  --strict          a line that cannot be read is an error; else it is reported and left out\n"
    "  -q, --quiet       no progress, no report of lines left out\n"
    "  -h, --help\n";

typedef struct encode_options {
    const char *model, *out;
    cli_list texts;
    cli_compute compute;
    bool json;
    cli_report report;
} encode_options;

/* Texts to encode: either argv's, or read from lines. */
typedef struct text_list {
    ferry_text *texts; /* [count] */
    const char **ids;  /* [count] */
    size_t count, capacity;
    ferry_arena arena;
} text_list;

static bool add_text(text_list *list, const char *id, const char *text)
{
    if (list->count == list->capacity) {
        size_t more = list->capacity == 0 ? 64 : 2 * list->capacity;
        ferry_text *texts = realloc(list->texts, more * sizeof *texts);
        if (texts != NULL) list->texts = texts;
        const char **ids = realloc(list->ids, more * sizeof *ids);
        if (ids != NULL) list->ids = ids;
        if (texts == NULL || ids == NULL) return false;
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
    list->ids[list->count++] = id_copy;
    return true;
}

/* MALFORMED is the line's fault, and can be left out. */
static ferry_status add_line(text_list *list, const char *line, size_t size, ferry_error *error)
{
    cJSON *json;
    const char *id = NULL, *text = NULL;
    FERRY_TRY(ferry_json_parse(line, size, "line", &json, error));
    ferry_status status = ferry_json_string(json, "id", "line", &id, error);
    if (status == FERRY_OK) status = ferry_json_string(json, "text", "line", &text, error);
    if (status == FERRY_OK && text == NULL)
        status = ferry_fail(error, FERRY_MALFORMED, "no \"text\"");
    if (status == FERRY_OK && !add_text(list, id, text))
        status = ferry_fail_memory(error, "the texts");
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
        status = add_line(list, line, end - start, error);
        if (status != FERRY_MALFORMED && status != FERRY_LIMIT) continue;
        if (cli_refused(&options->report, "stdin", number, error->message)) status = FERRY_OK;
    }
    ferry_buffer_free(&buffer);
    cli_report_end(&options->report);
    if (status == FERRY_OK && list->count == 0 && !options->report.quiet)
        fputs("ferry encode: no text on stdin\n", stderr);
    return status;
}

/* ---- output ---- */

static ferry_status print_json(const text_list *list, const float *embeddings, size_t N,
                               ferry_error *error)
{
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, list->arena.allocator);
    bool printed = true;
    for (size_t i = 0; i < list->count && printed; i++) {
        cJSON *json = cJSON_CreateObject();
        printed = cJSON_AddStringToObject(json, "id", list->ids[i]) != NULL;
        cJSON *numbers = cJSON_AddArrayToObject(json, "embedding");
        for (size_t n = 0; n < N && printed; n++) {
            printed =
                ferry_json_add_to_array(numbers, ferry_json_from_float(embeddings[i * N + n]));
        }
        buffer.size = 0;
        printed = printed && ferry_json_append(&buffer, json);
        if (printed) printf("%.*s\n", (int)buffer.size, buffer.data);
        cJSON_Delete(json);
    }
    ferry_buffer_free(&buffer);
    return printed ? FERRY_OK : ferry_fail_memory(error, "the embeddings as JSON");
}

static ferry_status write_tensor(const char *path, const float *embeddings, size_t count, size_t N,
                                 ferry_error *error)
{
    ferry_buffer head;
    ferry_buffer_init(&head, ferry_allocator_or_default(NULL));
    ferry_tensor tensor = {.name = "embeddings",
                           .dtype = FERRY_F32,
                           .rank = 2,
                           .shape = {count, N},
                           .count = count * N,
                           .data = embeddings,
                           .size = count * N * sizeof *embeddings};
    ferry_status status = ferry_safetensors_write(&tensor, 1, NULL, 0, &head, error);
    if (status == FERRY_OK) status = cli_write_file(path, &head, error);
    ferry_buffer_free(&head);
    return status;
}

static ferry_status encode(ferry_encoder *encoder, const text_list *list, encode_options *options,
                           ferry_error *error)
{
    size_t N = ferry_encoder_dimension(encoder);
    float *embeddings = calloc(list->count > 0 ? list->count : 1, N * sizeof *embeddings);
    if (embeddings == NULL) return ferry_fail_memory(error, "the embeddings");
    cli_catch_interrupt();
    ferry_status status = ferry_encoder_encode(encoder, list->texts, list->count, embeddings,
                                               cli_progress, &options->report, error);
    if (status == FERRY_OK && options->out != NULL)
        status = write_tensor(options->out, embeddings, list->count, N, error);
    if (status == FERRY_OK && options->json) status = print_json(list, embeddings, N, error);
    free(embeddings);
    return status;
}

static int run(encode_options *options)
{
    ferry_error error = {0};
    ferry_encoder *encoder = NULL;
    ferry_encoder_options open = cli_encoder_options(&options->compute);
    text_list list = {0};
    ferry_arena_init(&list.arena, ferry_allocator_or_default(NULL));
    ferry_status status = ferry_encoder_open_directory(options->model, &open, &encoder, &error);
    for (size_t i = 0; i < options->texts.count && status == FERRY_OK; i++) {
        if (!add_text(&list, NULL, options->texts.values[i]))
            status = ferry_fail_memory(&error, "the texts");
    }
    if (status == FERRY_OK && options->texts.count == 0)
        status = read_lines(&list, options, &error);
    if (status == FERRY_OK) status = encode(encoder, &list, options, &error);
    ferry_encoder_close(encoder);
    ferry_arena_free(&list.arena);
    free(list.texts);
    free(list.ids);
    return status == FERRY_OK ? EXIT_OK : cli_fail("encode", status, &error);
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, encode_options *options)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"model", required_argument, NULL, 'm'},
                                          {"text", required_argument, NULL, 't'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"json", no_argument, NULL, 'j'},
                                          CLI_COMPUTE_OPTIONS,
                                          {"strict", no_argument, NULL, 's'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        switch (c) {
        case 'm': options->model = optarg; break;
        case 't': options->texts.values[options->texts.count++] = optarg; break;
        case 'o': options->out = optarg; break;
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
    if (options->out != NULL && (options->out[0] == '\0' || strcmp(options->out, "-") == 0))
        return cli_usage("encode", "--out \"%s\": expected a file", options->out);
    if (options->out == NULL) options->json = true;
    return -1;
}

int cli_encode(int argc, char **argv)
{
    encode_options options = {.texts = cli_list_make(argc),
                              .report = {.subcommand = "encode", .unit = "texts"}};
    int code = parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    cli_list_free(&options.texts);
    return code;
}
