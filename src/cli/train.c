/* ferry train: what people did to a model that recommends. */
#include <string.h>

#include "cli/training.h"

static const char help[] =
    "Usage: ferry train --data DIR --catalog DIR --domain D[,D2]… --out DIR [OPTION]…\n\n"
    "Learns neighbours, a sequence net, what carries between the domains, and how to weigh "
    "them.\n\n"
    "  --domain D[,D2]…    domains to learn; with several, also what carries from one to another\n"
    "  --encoder NAME      of what a visitor did: ema (the default), mean, lstm, gru, transformer\n"
    "  --dim N             of the net, 64     --layers N, --heads N   of lstm, gru, transformer\n"
    "  --rank N            of the domains' adapters, 0: none\n"
    "  --time N            buckets of the time since the last event, 0: not looked at\n"
    "  --no-net            neighbours, text and words alone: seconds\n"
    "  --no-across         nothing between domains\n";

static bool take(cli_training *t, int option)
{
    ferry_net_config *net = &t->fit.net;
    int found;
    switch (option) {
    case 'E':
        found = cli_parse_word("train", "--encoder", optarg, ferry_sequence_names,
                               FERRY_SEQUENCE_KINDS);
        if (found >= 0) net->sequence.kind = (ferry_sequence_kind)found;
        return found >= 0;
    case '1': return cli_parse_count("train", "--dim", optarg, &net->sequence.dim);
    case '2': return cli_parse_count("train", "--layers", optarg, &net->sequence.layers);
    case '3': return cli_parse_count("train", "--heads", optarg, &net->sequence.heads);
    case '4': return cli_training_parse_size(t, "--rank", optarg, &net->adapter_rank);
    case '5': return cli_training_parse_size(t, "--time", optarg, &net->time_buckets);
    case '6': t->fit.without_net = true; return true;
    case '7': t->fit.without_across = true; return true;
    default: return cli_training_take(t, option);
    }
}

static int parse(int argc, char **argv, cli_training *t)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          CLI_TRAINING_OPTIONS,
                                          {"encoder", required_argument, NULL, 'E'},
                                          {"dim", required_argument, NULL, '1'},
                                          {"layers", required_argument, NULL, '2'},
                                          {"heads", required_argument, NULL, '3'},
                                          {"rank", required_argument, NULL, '4'},
                                          {"time", required_argument, NULL, '5'},
                                          {"no-net", no_argument, NULL, '6'},
                                          {"no-across", no_argument, NULL, '7'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        if (c == 'h') return fputs(help, stdout), fputs(cli_training_help, stdout), EXIT_OK;
        if (c == '?') return cli_help_hint("train"); /* getopt has said what is wrong */
        if (!take(t, c)) return EXIT_USAGE;
    }
    if (optind < argc) return cli_usage("train", "unexpected word \"%s\"", argv[optind]);
    t->fit.net.sequence.feed_forward = 2 * t->fit.net.sequence.dim;
    return cli_training_check(t);
}

int cli_train(int argc, char **argv)
{
    cli_training training;
    cli_training_init(&training, "train", argc);
    int code = parse(argc, argv, &training);
    if (code < 0) {
        ferry_error error = {0};
        ferry_model *model = NULL;
        ferry_fit_report report;
        ferry_status status = cli_training_open(&training, &error);
        if (status == FERRY_OK) status = cli_training_fit(&training, &model, &report, &error);
        if (status == FERRY_OK) status = cli_training_save(&training, model, &error);
        if (status == FERRY_OK) cli_training_print(&training, model, &report);
        ferry_model_close(model);
        code = status == FERRY_OK ? EXIT_OK : cli_fail("train", status, &error);
    }
    cli_training_close(&training);
    return code;
}
