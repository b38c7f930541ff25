/* tools/cmd_connector.c - the connector commands. */
#include "tools/tools.h"
#include <stdio.h>

/* It stays when the next attempt succeeded. */
static void
print_last_error(const char *before, const json_t *of)
{
    const char *text = tool_str(of, "last_error");

    if (text[0] != '\0') {
        (void)printf("%slast error: %s", before, text);
    }
    (void)putchar('\n');
}

static void
print_connector(const json_t *c)
{
    (void)printf("%-20s %-5s %-10s %8lld queued %8lld deferred %5lld sessions %6lld destinations",
        tool_str(c, "name"), tool_str(c, "protocol"), tool_str(c, "state"), tool_int(c, "queued"),
        tool_int(c, "deferred"), tool_int(c, "sessions"), tool_int(c, "destinations"));
    print_last_error("  ", c);
}

int
cmd_connector_list(struct tool *t, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return tool_list(t, "connector list", json_object(), NULL, print_connector);
}

static int
one(struct tool *t, const char *command, int argc, char **argv, void (*print)(const json_t *answer))
{
    json_t *a;
    int code;

    if (argc != 1) {
        (void)fprintf(stderr, "usage: bridgehead %s NAME\n", command);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    code = tool_ask(t, command, json_pack("{s:s}", "name", argv[0]), TOOL_TIMEOUT_MS, &a);
    if (code != 0) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
    } else {
        print(a);
    }
    json_decref(a);
    return 0;
}

static void
print_associations(const json_t *c)
{
    const json_t *refusal = json_object_get(c, "last_refusal");
    size_t i;
    const json_t *v;

    json_array_foreach(json_object_get(c, "associations"), i, v)
    {
        (void)printf("    association %lld %s %s %s: tcp %s, transport %s, session %s, rtse %s; "
                     "sending %s, receiving %s; %lld in, %lld out\n",
            tool_int(v, "id"), tool_str(v, "direction"), tool_str(v, "remote"), tool_str(v, "mode"),
            tool_str(v, "tcp"), tool_str(v, "transport"), tool_str(v, "session"),
            tool_str(v, "rtse"), tool_str(v, "sending"), tool_str(v, "receiving"),
            tool_int(v, "messages_in"), tool_int(v, "messages_out"));
    }
    if (json_is_object(refusal)) {
        (void)printf("    last refusal %s, %s, by the %s layer: %s\n", tool_str(refusal, "time"),
            strcmp(tool_str(refusal, "direction"), "in") == 0 ? "of a call" : "of ours",
            tool_str(refusal, "layer"), tool_str(refusal, "text"));
    }
}

static void
print_with_destinations(const json_t *c)
{
    const json_t *list = json_object_get(c, "destination_list");
    size_t i;
    json_t *d;

    print_connector(c);
    json_array_foreach((json_t *)(uintptr_t)list, i, d)
    {
        (void)printf("    %-32s %-5s %lld/%lld sessions, %lld ready, %lld active, %lld deferred",
            tool_str(d, "name"), tool_str(d, "state"), tool_int(d, "sessions"),
            tool_int(d, "limit"), tool_int(d, "ready"), tool_int(d, "active"),
            tool_int(d, "deferred"));
        if (tool_str(d, "next")[0] != '\0') {
            (void)printf(", next try %s", tool_str(d, "next"));
        }
        print_last_error("; ", d);
    }
    print_associations(c);
}

static void
print_state(const json_t *c)
{
    (void)printf("%s: %s\n", tool_str(c, "name"), tool_str(c, "state"));
}

int
cmd_connector_show(struct tool *t, int argc, char **argv)
{
    return one(t, "connector show", argc, argv, print_with_destinations);
}

int
cmd_connector_suspend(struct tool *t, int argc, char **argv)
{
    return one(t, "connector suspend", argc, argv, print_state);
}

int
cmd_connector_resume(struct tool *t, int argc, char **argv)
{
    return one(t, "connector resume", argc, argv, print_state);
}
