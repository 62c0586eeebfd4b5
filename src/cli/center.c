/* ferry center: the mean embedding of each language's texts, for centring. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/cli.h"
#include "input/safetensors.h"

static const char help[] =
    "Usage: ferry center --model DIR [--out FILE] < TEXTS.jsonl\n\n"
    "Writes the mean embedding of each language's texts, which --center of other commands takes\n"
    "away (docs/languages.md). Some hundred texts of the kind that is to be found will do.\n"
    "Lines on stdin: {\"language\",\"text\"}; a language is any name, \"en\" or \"en-films\".\n\n"
    "  --model DIR       a Hugging Face directory of a text encoder\n"
    "  --out FILE        else centers.safetensors in that directory, where --center finds "
    "it\n" CLI_COMPUTE_HELP
    "  --strict          a line that cannot be read is an error; else it is reported and left out\n"
    "  -q, --quiet       no progress, no report of lines left out\n"
    "  -h, --help\n";

enum { TEXTS_PER_CALL = 256, MAX_LANGUAGES = 4096 };

typedef struct center_options {
    const char *model, *out;
    cli_compute compute;
    cli_report report;
} center_options;

typedef struct language {
    const char *name;
    double *sum; /* [N] */
    size_t texts;
} language;

typedef struct centers {
    ferry_arena arena;
    ferry_encoder *encoder;
    size_t N;
    language *languages; /* [MAX_LANGUAGES] */
    size_t language_count;
    ferry_text texts[TEXTS_PER_CALL]; /* not encoded yet */
    size_t of[TEXTS_PER_CALL];        /* language of each */
    size_t waiting, done;
    float *embeddings; /* [TEXTS_PER_CALL, N] */
    ferry_arena text_arena;
    cli_report *report;
} centers;

static ferry_status encode_waiting(centers *c, ferry_error *error)
{
    FERRY_TRY(
        ferry_encoder_encode(c->encoder, c->texts, c->waiting, c->embeddings, NULL, NULL, error));
    for (size_t i = 0; i < c->waiting; i++) {
        language *l = &c->languages[c->of[i]];
        for (size_t n = 0; n < c->N; n++) l->sum[n] += (double)c->embeddings[i * c->N + n];
        l->texts++;
    }
    c->done += c->waiting;
    c->waiting = 0;
    ferry_arena_free(&c->text_arena);
    if (!cli_progress(c->report, c->done, c->done))
        return ferry_fail(error, FERRY_CANCELLED, "cancelled after %zu texts", c->done);
    return FERRY_OK;
}

static ferry_status find_language(centers *c, const char *name, size_t *out, ferry_error *error)
{
    for (*out = 0; *out < c->language_count; (*out)++)
        if (strcmp(c->languages[*out].name, name) == 0) return FERRY_OK;
    if (c->language_count == MAX_LANGUAGES)
        return ferry_fail(error, FERRY_LIMIT, "more than %d languages", MAX_LANGUAGES);
    language *l = &c->languages[c->language_count++];
    l->name = ferry_arena_text(&c->arena, name, strlen(name));
    l->sum = ferry_arena_array(&c->arena, c->N, sizeof *l->sum);
    return l->name != NULL && l->sum != NULL ? FERRY_OK : ferry_fail_memory(error, "the means");
}

/* MALFORMED is the line's fault, and can be left out. */
static ferry_status read_line(centers *c, const cJSON *json, ferry_error *error)
{
    const char *name = NULL, *text = NULL;
    FERRY_TRY(ferry_json_string(json, "language", "line", &name, error));
    FERRY_TRY(ferry_json_string(json, "text", "line", &text, error));
    if (name == NULL || text == NULL || name[0] == '\0' || strcmp(name, "auto") == 0)
        return ferry_fail(error, FERRY_MALFORMED,
                          "expected \"language\", a name other than \"auto\", and \"text\"");
    FERRY_TRY(find_language(c, name, &c->of[c->waiting], error));
    size_t size = strlen(text);
    const char *copy = ferry_arena_text(&c->text_arena, text, size);
    if (copy == NULL) return ferry_fail_memory(error, "the texts");
    c->texts[c->waiting++] = (ferry_text){copy, size};
    return c->waiting < TEXTS_PER_CALL ? FERRY_OK : encode_waiting(c, error);
}

static ferry_status read_lines(centers *c, const ferry_buffer *buffer, ferry_error *error)
{
    size_t number = 0;
    for (size_t start = 0, end; start < buffer->size; start = end + 1) {
        const char *line = buffer->data + start;
        const char *stop = memchr(line, '\n', buffer->size - start);
        end = stop != NULL ? (size_t)(stop - buffer->data) : buffer->size;
        number++;
        if (strspn(line, " \t\r") >= end - start) continue;
        cJSON *json;
        ferry_status status = ferry_json_parse(line, end - start, "line", &json, error);
        if (status == FERRY_OK) status = read_line(c, json, error);
        cJSON_Delete(json);
        if (status == FERRY_MALFORMED && cli_refused(c->report, "stdin", number, error->message))
            continue;
        FERRY_TRY(status);
    }
    cli_report_end(c->report);
    return c->waiting > 0 ? encode_waiting(c, error) : FERRY_OK;
}

static ferry_status write_means(centers *c, const char *path, ferry_error *error)
{
    ferry_buffer file;
    ferry_tensor *tensors = ferry_arena_array(&c->arena, c->language_count, sizeof *tensors);
    float *means = ferry_arena_array(&c->arena, c->language_count, c->N * sizeof *means);
    if (tensors == NULL || means == NULL) return ferry_fail_memory(error, "the means");
    for (size_t i = 0; i < c->language_count; i++) {
        const language *l = &c->languages[i];
        for (size_t n = 0; n < c->N; n++)
            means[i * c->N + n] = (float)(l->sum[n] / (double)l->texts);
        tensors[i] = (ferry_tensor){.name = l->name,
                                    .dtype = FERRY_F32,
                                    .rank = 1,
                                    .shape = {c->N},
                                    .count = c->N,
                                    .data = means + i * c->N,
                                    .size = c->N * sizeof *means};
    }
    ferry_buffer_init(&file, c->arena.allocator);
    ferry_status status =
        ferry_safetensors_write(tensors, c->language_count, NULL, 0, &file, error);
    if (status == FERRY_OK) status = cli_write_file(path, &file, error);
    ferry_buffer_free(&file);
    return status;
}

static ferry_status center(centers *c, const char *path, ferry_error *error)
{
    ferry_buffer buffer;
    c->N = ferry_encoder_dimension(c->encoder);
    c->languages = ferry_arena_array(&c->arena, MAX_LANGUAGES, sizeof *c->languages);
    c->embeddings = ferry_arena_array(&c->arena, TEXTS_PER_CALL, c->N * sizeof *c->embeddings);
    if (c->languages == NULL || c->embeddings == NULL)
        return ferry_fail_memory(error, "the embeddings");
    cli_catch_interrupt();
    ferry_buffer_init(&buffer, c->arena.allocator);
    ferry_status status = cli_read_file("-", &buffer, error);
    if (status == FERRY_OK) status = read_lines(c, &buffer, error);
    ferry_buffer_free(&buffer);
    if (status == FERRY_OK && c->done == 0)
        status = ferry_fail(error, FERRY_INVALID_ARGUMENT, "no text on stdin");
    if (status == FERRY_OK) status = write_means(c, path, error);
    if (status == FERRY_OK && !c->report->quiet)
        fprintf(stderr, "%s: %zu language%s, %zu texts\n", path, c->language_count,
                cli_plural(c->language_count), c->done);
    return status;
}

static int run(center_options *options)
{
    char path[4096];
    ferry_error error = {0};
    centers c = {.report = &options->report};
    ferry_encoder_options open = cli_encoder_options(&options->compute);
    snprintf(path, sizeof path, "%s/centers.safetensors", options->model);
    ferry_arena_init(&c.arena, ferry_allocator_or_default(NULL));
    ferry_arena_init(&c.text_arena, ferry_allocator_or_default(NULL));
    ferry_status status = ferry_encoder_open_directory(options->model, &open, &c.encoder, &error);
    if (status == FERRY_OK) status = center(&c, options->out != NULL ? options->out : path, &error);
    ferry_encoder_close(c.encoder);
    ferry_arena_free(&c.text_arena);
    ferry_arena_free(&c.arena);
    return status == FERRY_OK ? EXIT_OK : cli_fail("center", status, &error);
}

int cli_center(int argc, char **argv)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"model", required_argument, NULL, 'm'},
                                          {"out", required_argument, NULL, 'o'},
                                          CLI_COMPUTE_OPTIONS,
                                          {"strict", no_argument, NULL, 's'},
                                          {0}};
    center_options options = {.report = {.subcommand = "center", .unit = "texts"}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        switch (c) {
        case 'm': options.model = optarg; break;
        case 'o': options.out = optarg; break;
        case 's': options.report.strict = true; break;
        case 'K': options.compute.kernels = optarg; break;
        case 'q': options.report.quiet = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default:
            if (!cli_parse_compute("center", c, optarg, &options.compute)) return EXIT_USAGE;
        }
    }
    if (optind < argc) return cli_usage("center", "unexpected word \"%s\"", argv[optind]);
    if (options.compute.center != NULL)
        return cli_usage("center", "--center: the means are of embeddings that are not centred");
    if (options.model == NULL) return cli_usage("center", "--model is missing");
    if (options.out != NULL && options.out[0] == '\0') return cli_usage("center", "--out is empty");
    return run(&options);
}
