/* app/main.c - the command line of bridgeheadd. */
#include "app/app.h"
#include "bridgehead/exit_codes.h"
#include "core/log.h"
#include "queue/queue.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum mode { MODE_KEEPER, MODE_SERVER, MODE_CHECK, MODE_RELEASE };

static const char usage_text[] =
    "usage: bridgeheadd --config FILE [options]\n"
    "\n"
    "  --config FILE         configuration; its base name is the instance (default "
    "/etc/bridgehead/bridgehead.conf)\n"
    "  --foreground          stay in the foreground\n"
    "  --check               validate the configuration and exit\n"
    "  --vip ADDR[,ADDR...]  virtual IPs, as the cluster knows them\n"
    "  --node NAME           this node's name in the cluster (default: host name)\n"
    "  --resource ID         Pacemaker's id of this resource, told when the daemon gives up\n"
    "  --fenced NODE:EPOCH   the cluster confirms that this owner is dead; -: this is read from\n"
    "                        standard input, where an empty answer confirms nothing\n"
    "  --release             after a crash: give the store up, so that a move need not wait for "
    "the lease\n"
    "  --version, --help\n"
    "\n"
    "See bridgeheadd(8), bridgehead.conf(5), bridgehead(8).\n";

static int
check(const struct app_args *args)
{
    struct app_conf *c;
    int rc = app_conf_load(&c, args->config, args->vip, app_report_conf_error, NULL);

    if (rc < 0) {
        return app_exit_code(rc);
    }
    (void)printf("%s: instance %s: the configuration is valid\n", args->config, c->instance);
    app_conf_free(c);
    return 0;
}

static int
release(const struct app_args *args)
{
    char lock[APP_PATH_CAP], text[512] = "";
    struct app_conf *c;
    int rc = app_conf_load(&c, args->config, args->vip, app_report_conf_error, NULL);

    if (rc < 0) {
        return app_exit_code(rc);
    }
    app_server_lock(c->instance, lock);
    rc = queue_store_release(c->store_path, lock, args->node, text, sizeof(text));
    if (rc < 0) {
        (void)fprintf(stderr, "bridgeheadd: %s\n", text[0] != '\0' ? text : error_text(rc));
    }
    app_conf_free(c);
    return app_exit_code(rc);
}

static int
parse_fenced(struct app_args *args, char *value)
{
    if (strcmp(value, "-") == 0) {
        args->fenced_stdin = true;
        return 0;
    }
    if (app_fenced_parse(value, &args->fenced_node, &args->fenced_epoch) < 0) {
        (void)fprintf(stderr, "bridgeheadd: --fenced %s: write NODE:EPOCH\n", value);
        return -1;
    }
    return 0;
}

enum option_id {
    OPT_CONFIG = 256,
    OPT_FOREGROUND,
    OPT_CHECK,
    OPT_VIP,
    OPT_NODE,
    OPT_RESOURCE,
    OPT_FENCED,
    OPT_RELEASE,
    OPT_VERSION,
    OPT_HELP,
    OPT_SERVER,
    OPT_RESTARTED,
};
static const struct option options[] = {
    { "config", required_argument, NULL, OPT_CONFIG },
    { "foreground", no_argument, NULL, OPT_FOREGROUND },
    { "check", no_argument, NULL, OPT_CHECK },
    { "vip", required_argument, NULL, OPT_VIP },
    { "node", required_argument, NULL, OPT_NODE },
    { "resource", required_argument, NULL, OPT_RESOURCE },
    { "fenced", required_argument, NULL, OPT_FENCED },
    { "release", no_argument, NULL, OPT_RELEASE },
    { "version", no_argument, NULL, OPT_VERSION },
    { "help", no_argument, NULL, OPT_HELP },
    { "server", no_argument, NULL, OPT_SERVER },       /* the keeper's own */
    { "restarted", no_argument, NULL, OPT_RESTARTED }, /* the keeper's own */
    { NULL, 0, NULL, 0 },
};

/* 0: go on; <0: done, exit 0; else the exit code. */
static int
take_option(struct app_args *args, enum mode *mode, int opt, char *value)
{
    switch (opt) {
    case OPT_CONFIG:
        args->config = value;
        return 0;
    case OPT_FOREGROUND:
        args->foreground = true;
        return 0;
    case OPT_CHECK:
        *mode = MODE_CHECK;
        return 0;
    case OPT_VIP:
        args->vip = value;
        return 0;
    case OPT_NODE:
        args->node = value;
        return 0;
    case OPT_RESOURCE:
        args->resource = value;
        return 0;
    case OPT_FENCED:
        return parse_fenced(args, value) < 0 ? BRIDGEHEAD_EXIT_USAGE : 0;
    case OPT_RELEASE:
        *mode = MODE_RELEASE;
        return 0;
    case OPT_SERVER:
        *mode = MODE_SERVER;
        return 0;
    case OPT_RESTARTED:
        args->restarted = true;
        return 0;
    case OPT_VERSION:
        (void)printf("bridgeheadd %s\n", BRIDGEHEAD_VERSION);
        return -1;
    case OPT_HELP:
        (void)fputs(usage_text, stdout);
        return -1;
    default:
        (void)fputs(usage_text, stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
}

static int
parse(struct app_args *args, enum mode *mode, int argc, char **argv)
{
    int opt, code = 0;

    while (code == 0 && (opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        code = take_option(args, mode, opt, optarg);
    }
    if (code == 0 && optind < argc) {
        (void)fprintf(
            stderr, "bridgeheadd: unexpected argument \"%s\"\n%s", argv[optind], usage_text);
        code = BRIDGEHEAD_EXIT_USAGE;
    }
    return code;
}

int
main(int argc, char **argv)
{
    static char node[256], config[APP_PATH_CAP];
    struct app_args args = { .config = "/etc/bridgehead/bridgehead.conf", .self = argv[0] };
    enum mode mode = MODE_KEEPER;
    int code = parse(&args, &mode, argc, argv);

    if (code != 0) {
        return code < 0 ? 0 : code;
    }
    if (args.node == NULL) {
        (void)gethostname(node, sizeof(node) - 1);
        args.node = node;
    }
    if (!queue_node_valid(args.node)) {
        (void)fprintf(stderr,
            "bridgeheadd: \"%.80s\" cannot be a node's name: it has 1 to %d bytes and no blanks. "
            "Give --node another (under Pacemaker: name the node so in the cluster)\n",
            args.node, QUEUE_NODE_CAP - 1);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    if (args.config[0] != '/' &&
        getcwd(config, sizeof(config)) != NULL) { /* the keeper leaves this directory */
        size_t n = strlen(config);

        (void)snprintf(config + n, sizeof(config) - n, "/%s", args.config);
        args.config = config;
    }
    switch (mode) {
    case MODE_CHECK:
        return check(&args);
    case MODE_RELEASE:
        return release(&args);
    case MODE_SERVER:
        return app_main(&args);
    case MODE_KEEPER:
        return keeper_main(&args);
    }
    return BRIDGEHEAD_EXIT_USAGE;
}
