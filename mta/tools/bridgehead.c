/* tools/bridgehead.c - the operator's command: options, the table of commands, help. */
#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>

#define SELECTION "[ID... | --selector SELECTOR...]"

const struct tool_command tool_commands[] = {
    { "status", "", "State, owner, virtual IPs, queue, connectors and the last failover.",
        cmd_status },
    { "probe", "[--level 0|10|20] [--attributes]",
        "What the resource agent's monitor asks. Level 0: is it there and in what state; 10: and "
        "does the disk answer; 20: and is anything degraded. --attributes prints NAME=VALUE lines "
        "for the cluster's node attributes.",
        cmd_probe },
    { "queue list", SELECTION,
        "Messages in the queue, oldest first. Selectors: all, in-doubt, state=, domain=, "
        "connector=, sender=, recipient=, older=, larger=; several must all match.",
        cmd_queue_list },
    { "queue show", "ID", "One message with all its recipients.", cmd_queue_show },
    { "queue hold", SELECTION, "Keep messages from being tried until released.", cmd_queue_hold },
    { "queue release", SELECTION, "Let held messages go on.", cmd_queue_release },
    { "queue retry", SELECTION, "Try now, whatever the back-off.", cmd_queue_retry },
    { "queue bounce", SELECTION " [--yes]",
        "Return messages to their senders. By selector it needs --yes.", cmd_queue_bounce },
    { "queue remove", SELECTION " [--yes]",
        "Remove messages without a notification. By selector it needs --yes.", cmd_queue_remove },
    { "queue export", "ID [--output FILE]",
        "Write a message's content, as it was received, to a file or standard output; with a "
        "file, its envelope with the remaining recipients goes to FILE.json (X.eml: X.json) for "
        "queue import. Hold it first, or what is delivered meanwhile is in the file as well.",
        cmd_queue_export },
    { "queue import", "FILE [--force] [--hold] [--sender ADDRESS] [--recipient ADDRESS...]",
        "Bring back a message that queue export or store repair wrote; durable when it says so. "
        "FILE is the content, its envelope is beside it, or given. A message that is still in the "
        "queue, or whose content is not complete, is refused without --force.",
        cmd_queue_import },
    { "why", "ID|DESTINATION",
        "What each recipient of a message, or a destination, waits for, and when it is tried next.",
        cmd_why },
    { "connector list", "", "All connectors with their state.", cmd_connector_list },
    { "connector show", "NAME",
        "One connector with its destinations; of X.400 its associations and the last refusal too.",
        cmd_connector_show },
    { "connector suspend", "NAME", "Begin no delivery by this connector until it is resumed.",
        cmd_connector_suspend },
    { "connector resume", "NAME", "Take a suspended connector into use again.",
        cmd_connector_resume },
    { "handoff", "[--force]",
        "Drain, seal and release the store, as a planned stop does. Under Pacemaker use "
        "crm_resource --move instead; --force insists.",
        cmd_handoff },
    { "stop", "[--timeout SECONDS] [--node NAME]",
        "What the resource agent's stop does: ask for a handoff, wait, and kill what has not ended "
        "in time (default 30). With this node's name, also mark the store of a daemon that "
        "crashed, "
        "so that the next owner need not wait for its lease.",
        cmd_stop },
    { "reload", "", "Read the configuration again without dropping a session.", cmd_reload },
    { "check", "", "Validate the configuration, like bridgeheadd --check.", cmd_check },
    { "events", "[--follow]", "Recent events, oldest first; --follow goes on with new ones.",
        cmd_events },
    { "blackbox", "", "Print the flight recorder.", cmd_blackbox },
    { "failover report", "",
        "The last change of owner: cause, phases with their times, what was recovered.",
        cmd_failover_report },
    { "x400 ping", "CONNECTOR",
        "Call the peer of an X.400 connector, bind and release, and show what each layer "
        "negotiated, or which layer refused and why. No message is sent.",
        cmd_x400_ping },
    { "x400 send",
        "--from ADDRESS --to ADDRESS... [--subject TEXT] [--text TEXT] [--priority "
        "urgent|normal|non-urgent] [--report]",
        "Put a short message into the queue, to see it arrive: an interpersonal message of this "
        "domain. Addresses are O/R addresses. --report asks for a delivery report too. Durable "
        "when it says so; queue list, why and events tell what becomes of it.",
        cmd_x400_send },
    { "x400 trace", "[--pcap FILE]",
        "What goes over X.400 associations from now on, a line for each unit of every layer, until "
        "interrupted; with a file also its octets, for tshark. Contents and passwords are in the "
        "file and not in the lines.",
        cmd_x400_trace },
    { "store init", "[--segment SIZE]",
        "Make a store in the (mounted, empty) directory store.path.", cmd_store_init },
    { "store owner", "", "Who owns the store, as the store itself says.", cmd_store_owner },
    { "store check", "[--progress]",
        "Read the whole store and report damage. Reads only. docs/ops/store-findings.md has cause "
        "and cure of each finding.",
        cmd_store_check },
    { "store stat", "[--progress]",
        "What is where in the store: owner, segments with what lives in them, messages, sizes, "
        "reserve. Reads only.",
        cmd_store_stat },
    { "store dump",
        "[--segment NUMBER] [--from LSN] [--to LSN] [--message ID] [--content] [--progress]",
        "The journal's records as they stand on the disk, also those that do not validate. "
        "Numbers are hexadecimal. Content only with --content. Reads only.",
        cmd_store_dump },
    { "store repair", "[--yes] [--node NAME] [--progress]",
        "Set aside what is damaged, so that the rest is whole: messages with what can be read of "
        "them (for queue import), damaged places, segments of which nothing can be read. Lists the "
        "steps and asks; --yes answers. Refused while somebody owns the store.",
        cmd_store_repair },
    { "completion", "", "Print a bash completion script.", cmd_completion },
};
const size_t tool_command_count = ARRAY_LEN(tool_commands);

/* "queue" of "queue list"; "": of all. */
static bool
in_family(const struct tool_command *c, const char *family)
{
    size_t n = strlen(family);

    return n == 0 || (strncmp(c->name, family, n) == 0 && c->name[n] == ' ');
}

static bool
is_family(const char *word)
{
    for (size_t i = 0; i < tool_command_count; i++) {
        if (word[0] != '\0' && in_family(&tool_commands[i], word)) {
            return true;
        }
    }
    return false;
}

/* Up to the full stop; a dot in a file's name is none. */
static int
first_sentence_bytes(const char *help)
{
    size_t n = strcspn(help, ".");

    while (help[n] != '\0' && help[n + 1] != ' ' && help[n + 1] != '\0') {
        n += 1 + strcspn(help + n + 1, ".");
    }
    return (int)n;
}

static void
print_help(FILE *to, const char *family)
{
    (void)fputs(
        "usage: bridgehead [--config FILE | --instance NAME] [--json] COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < tool_command_count; i++) {
        const struct tool_command *c = &tool_commands[i];

        if (in_family(c, family)) {
            (void)fprintf(to, "  %-18s %.*s\n", c->name, first_sentence_bytes(c->help), c->help);
        }
    }
    (void)fputs(
        "\n  bridgehead COMMAND --help explains one command. Exit codes: bridgehead(8).\n", to);
}

/* The command with the longest name that argv begins with; *words is how many arguments its name
 * takes. */
static const struct tool_command *
find_command(int argc, char **argv, int *words)
{
    char two[64];

    for (size_t i = 0; argc > 1 && i < tool_command_count; i++) {
        (void)snprintf(two, sizeof(two), "%s %s", argv[0], argv[1]);
        if (strcmp(tool_commands[i].name, two) == 0) {
            *words = 2;
            return &tool_commands[i];
        }
    }
    for (size_t i = 0; i < tool_command_count; i++) {
        if (strcmp(tool_commands[i].name, argv[0]) == 0) {
            *words = 1;
            return &tool_commands[i];
        }
    }
    return NULL;
}

static int
set_instance(struct tool *t, const char *value, bool is_config)
{
    const char *base = value;
    size_t n;

    if (is_config) {
        const char *slash = strrchr(value, '/');

        base = slash != NULL ? slash + 1 : value;
        (void)snprintf(t->config, sizeof(t->config), "%s", value);
        t->config_given = true;
    } else {
        (void)snprintf(t->config, sizeof(t->config), "/etc/bridgehead/%s.conf", value);
    }
    n = strlen(base);
    if (is_config && n > 5 && strcmp(base + n - 5, ".conf") == 0) {
        n -= 5;
    }
    if (n == 0 || n >= sizeof(t->instance) || strchr(base, '/') != NULL) {
        (void)fprintf(stderr, "bridgehead: \"%s\" names no instance\n", value);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    (void)snprintf(t->instance, sizeof(t->instance), "%.*s", (int)n, base);
    return 0;
}

/* Global options may stand before or behind the command. Returns the arguments left, or -1. */
static int
take_globals(struct tool *t, int argc, char **argv, bool *help)
{
    int left = 0;

    for (int i = 0; i < argc; i++) {
        bool config = strcmp(argv[i], "--config") == 0;

        if (config || strcmp(argv[i], "--instance") == 0) {
            if (i + 1 == argc || set_instance(t, argv[i + 1], config) != 0) {
                return -1;
            }
            i++;
        } else if (strcmp(argv[i], "--json") == 0) {
            t->json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *help = true;
        } else {
            argv[left++] = argv[i];
        }
    }
    return left;
}

/* No command by that name, or the name of several. */
static int
no_command(int argc, char **argv, bool help)
{
    const char *family = is_family(argv[0]) ? argv[0] : "";

    if (help && family[0] != '\0') {
        print_help(stdout, family);
        return 0;
    }
    (void)fprintf(stderr, "bridgehead: there is no command \"%s%s%s\"\n", argv[0],
        family[0] != '\0' && argc > 1 ? " " : "", family[0] != '\0' && argc > 1 ? argv[1] : "");
    print_help(stderr, family);
    return BRIDGEHEAD_EXIT_USAGE;
}

/* Half a list is no list: a full disk behind standard output is told. But what the monitor asks is
 * answered by the exit code, whoever reads the rest. */
static int
printed(const struct tool_command *c, int code)
{
    if (code != 0 || c->run == cmd_probe || (fflush(stdout) == 0 && ferror(stdout) == 0)) {
        return code;
    }
    (void)fputs("bridgehead: standard output: not all could be written\n", stderr);
    return BRIDGEHEAD_EXIT_WRITE_FAILED;
}

int
main(int argc, char **argv)
{
    struct tool t = { .instance = "bridgehead", .config = "/etc/bridgehead/bridgehead.conf" };
    const struct tool_command *c;
    bool help = false;
    int words = 0;
    int left = take_globals(&t, argc - 1, argv + 1, &help);

    if (left < 0) {
        print_help(stderr, "");
        return BRIDGEHEAD_EXIT_USAGE;
    }
    if (left == 0) {
        print_help(help ? stdout : stderr, "");
        return help ? 0 : BRIDGEHEAD_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("bridgehead %s\n", BRIDGEHEAD_VERSION);
        return 0;
    }
    c = find_command(left, argv + 1, &words);
    if (c == NULL) {
        return no_command(left, argv + 1, help);
    }
    if (help) {
        (void)printf("usage: bridgehead [--config FILE | --instance NAME] [--json] %s%s%s\n\n%s\n",
            c->name, c->args[0] != '\0' ? " " : "", c->args, c->help);
        return 0;
    }
    if (c->args[0] == '\0' && left > words) { /* it takes none */
        (void)fprintf(stderr, "bridgehead: unexpected argument \"%s\"\n", argv[1 + words]);
        return tool_usage(c);
    }
    return printed(c, c->run(&t, left - words, argv + 1 + words));
}
