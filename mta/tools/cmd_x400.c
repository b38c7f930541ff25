/* tools/cmd_x400.c - x400 ping, x400 send and x400 trace. */
#include "core/base64.h"
#include "core/io.h"
#include "tools/tools.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Connect, bind and release have deadlines of their own, for each address of the peer. */
#define PING_TIMEOUT_MS (10 * 60 * 1000)
#define FILE_MODE       0600 /* passwords are in it */

struct pcap {
    int fd; /* -1: not wanted */
    uint64_t bytes;
};

int
cmd_x400_ping(struct tool *t, int argc, char **argv)
{
    json_t *a;
    int code;

    if (argc != 1) {
        (void)fputs("usage: bridgehead x400 ping CONNECTOR\n", stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    code = tool_ask(t, "x400 ping", json_pack("{s:s}", "name", argv[0]), PING_TIMEOUT_MS, &a);
    if (code != 0 && json_object_get(a, "text") == NULL) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
    } else {
        (void)printf("%s: %s", argv[0], tool_str(a, "text"));
    }
    json_decref(a);
    return code;
}

/* False: what stands there is no option with its value. */
static bool
take_option(json_t *args, json_t *to, const char *option, const char *value)
{
    static const char *const texts[] = { "from", "subject", "text", "priority" };

    if (strcmp(option, "--to") == 0) {
        return json_array_append_new(to, json_string(value)) == 0;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strncmp(option, "--", 2) == 0 && strcmp(option + 2, texts[i]) == 0) {
            return json_object_set_new(args, texts[i], json_string(value)) == 0;
        }
    }
    return false;
}

static bool
send_options(json_t *args, int argc, char **argv)
{
    json_t *to = json_object_get(args, "to");
    int i = 0;

    while (i < argc) {
        if (strcmp(argv[i], "--report") == 0) {
            (void)json_object_set_new(args, "report", json_true());
            i++;
        } else if (i + 1 < argc && take_option(args, to, argv[i], argv[i + 1])) {
            i += 2;
        } else {
            return false;
        }
    }
    return json_object_get(args, "from") != NULL && json_array_size(to) > 0;
}

int
cmd_x400_send(struct tool *t, int argc, char **argv)
{
    json_t *args = json_pack("{s:[],s:s,s:s}", "to", "subject", "Test", "text",
        "A test message of bridgehead x400 send.\r\n");
    json_t *a;
    int code;

    if (!send_options(args, argc, argv)) {
        json_decref(args);
        (void)fputs("usage: bridgehead x400 send --from ADDRESS --to ADDRESS... [--subject TEXT] "
                    "[--text TEXT] [--priority urgent|normal|non-urgent] [--report]\n"
                    "  an address is an O/R address: /C=FR/A=ATLAS/P=PARIS/S=Dupont/\n",
            stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    code = tool_ask(t, "x400 send", args, TOOL_TIMEOUT_MS, &a);
    if (code != 0) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
    } else {
        (void)printf(
            "queued as %s, message identifier %s\n", tool_str(a, "id"), tool_str(a, "message"));
    }
    json_decref(a);
    return 0;
}

static int
write_pcap(struct pcap *to, const char *base64)
{
    size_t n = strlen(base64);
    char *octets = malloc(n + 1);
    ssize_t bytes = octets != NULL ? base64_decode(slice_of(base64), octets, n) : -ENOMEM;
    int rc = bytes < 0 ? -EIO : io_pwrite_all(to->fd, octets, (size_t)bytes, to->bytes);

    to->bytes += (uint64_t)MAX(bytes, (ssize_t)0);
    free(octets);
    return rc;
}

static int
show(const struct tool *t, const json_t *a, struct pcap *pcap)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(a, "items"), i, item)
    {
        if (t->json) {
            tool_print_json(item);
        } else {
            (void)printf("%s %s %s\n", tool_str(item, "time"), tool_str(item, "connector"),
                tool_str(item, "line"));
        }
    }
    (void)fflush(stdout);
    return pcap->fd >= 0 ? write_pcap(pcap, tool_str(a, "pcap")) : 0;
}

/* Until it is interrupted, or the daemon ends. */
static int
follow(struct tool *t, struct pcap *pcap)
{
    json_int_t trace = 0, dropped = 0;

    for (;;) {
        json_t *a;
        bool more;
        int code = tool_ask(t, "x400 trace",
            json_pack("{s:I,s:b}", "trace", trace, "pcap", pcap->fd >= 0), TOOL_TIMEOUT_MS, &a);

        if (code != 0) {
            return tool_fail(t, code, a);
        }
        if (trace == 0) {
            (void)fputs("tracing what X.400 sends and receives; interrupt to end\n", stderr);
        }
        trace = json_integer_value(json_object_get(a, "trace"));
        more = json_is_true(json_object_get(a, "more"));
        if (tool_int(a, "dropped") > dropped) {
            dropped = tool_int(a, "dropped");
            (void)fprintf(stderr, "%lld lines or packets so far came too fast and are missing\n",
                (long long)dropped);
        }
        code = show(t, a, pcap);
        json_decref(a);
        if (code < 0) {
            (void)fputs("bridgehead: the file cannot be written\n", stderr);
            return BRIDGEHEAD_EXIT_FAILED;
        }
        if (!more) {
            (void)nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
        }
    }
}

int
cmd_x400_trace(struct tool *t, int argc, char **argv)
{
    bool with_file = argc == 2 && strcmp(argv[0], "--pcap") == 0;
    struct pcap pcap = { .fd = -1 };
    int code;

    if (argc > 0 && !with_file) {
        (void)fputs("usage: bridgehead x400 trace [--pcap FILE]\n", stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    if (with_file) {
        pcap.fd = io_open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, FILE_MODE);
        if (pcap.fd < 0) {
            (void)fprintf(stderr, "bridgehead: %s: %s\n", argv[1], error_text(pcap.fd));
            return BRIDGEHEAD_EXIT_FAILED;
        }
    }
    code = follow(t, &pcap);
    if (pcap.fd >= 0) {
        io_close(&pcap.fd);
    }
    return code;
}
