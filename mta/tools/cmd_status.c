/* tools/cmd_status.c - status, probe, why. */
#include "core/ticks.h"
#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PROBE_MS   5000 /* well within a monitor's timeout */
#define RESTART_MS 2000 /* a server that is started again answers by then */

static void
print_reasons(const json_t *reasons)
{
    size_t i;
    json_t *r;

    json_array_foreach((json_t *)(uintptr_t)reasons, i, r)
    {
        (void)printf("%s%s", i > 0 ? ", " : " (", json_string_value(r));
    }
    if (json_array_size(reasons) > 0) {
        (void)putchar(')');
    }
}

static void
print_advice(const json_t *state)
{
    const json_t *reasons = json_object_get(state, "reasons");
    const json_t *advice = json_object_get(state, "advice"); /* an older server has none */

    for (size_t i = 0; i < json_array_size(advice); i++) {
        (void)printf("               %s: %s\n", json_string_value(json_array_get(reasons, i)),
            json_string_value(json_array_get(advice, i)));
    }
}

static void
print_vips(const json_t *vips)
{
    size_t i;
    json_t *v;

    (void)printf("virtual IPs    ");
    json_array_foreach((json_t *)(uintptr_t)vips, i, v)
    {
        (void)printf("%s%s %s", i > 0 ? ", " : "", tool_str(v, "address"),
            json_is_true(json_object_get(v, "present")) ? "present" : "ABSENT");
    }
    (void)putchar('\n');
}

static void
print_queue(const json_t *q)
{
    char size[32], age[32];

    tool_size(size, tool_int(q, "bytes"));
    tool_duration(age, tool_int(q, "oldest_s"));
    (void)printf("queue          %lld messages, %lld recipients, %s; oldest %s\n",
        tool_int(q, "messages"), tool_int(q, "recipients"), size, age);
    (void)printf("               %lld active, %lld deferred, %lld held, %lld in doubt\n",
        tool_int(q, "active"), tool_int(q, "deferred"), tool_int(q, "held"),
        tool_int(q, "in_doubt"));
}

static void
print_connectors(const json_t *list)
{
    size_t i;
    json_t *c;

    json_array_foreach((json_t *)(uintptr_t)list, i, c)
    {
        (void)printf("connector      %s (%s): %s, %lld queued, %lld sessions", tool_str(c, "name"),
            tool_str(c, "protocol"), tool_str(c, "state"), tool_int(c, "queued"),
            tool_int(c, "sessions"));
        if (tool_str(c, "last_error")[0] != '\0') {
            (void)printf("; last error: %s", tool_str(c, "last_error"));
        }
        (void)putchar('\n');
    }
}

int
cmd_status(struct tool *t, int argc, char **argv)
{
    const json_t *owner;
    json_t *a;
    int code = tool_ask(t, "status", NULL, TOOL_TIMEOUT_MS, &a);

    (void)argc;
    (void)argv;
    if (code != 0) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
        json_decref(a);
        return 0;
    }
    owner = json_object_get(a, "owner");
    (void)printf(
        "instance       %s, bridgehead %s\n", tool_str(a, "instance"), tool_str(a, "version"));
    (void)printf("state          %s", tool_str(a, "state"));
    print_reasons(json_object_get(a, "reasons"));
    (void)putchar('\n');
    print_advice(a);
    (void)printf("owner          %s, epoch %lld, since %s\n", tool_str(owner, "node"),
        tool_int(owner, "epoch"), tool_str(owner, "since"));
    print_vips(json_object_get(a, "vips"));
    print_queue(json_object_get(a, "queue"));
    if (json_is_integer(json_object_get(a, "loaded_percent"))) {
        (void)printf("               and what the last owner left: %lld %% of it loaded\n",
            tool_int(a, "loaded_percent"));
    }
    print_connectors(json_object_get(a, "connectors"));
    tool_print_failover(json_object_get(a, "last_failover"));
    json_decref(a);
    return 0;
}

static void
print_attributes(const json_t *a)
{
    (void)printf("state=%s\nqueue=%lld\noldest=%lld\nconnectors-down=%lld\nepoch=%lld\n",
        tool_str(a, "state"), tool_int(a, "queue"), tool_int(a, "oldest_s"),
        tool_int(a, "connectors_down"), tool_int(a, "epoch"));
}

/* A keeper without a server that answers is worrying, not stopped: the server was started again
 * after a crash, and is asked again; or it hangs, which ends the first question late. */
static int
ask_probe(struct tool *t, uint64_t level, json_t **a)
{
    uint64_t began = ticks_ms();

    for (;;) {
        int code =
            tool_ask(t, "probe", json_pack("{s:I}", "level", (json_int_t)level), PROBE_MS, a);

        if (code != BRIDGEHEAD_EXIT_TIMEOUT || ticks_ms() - began > RESTART_MS) {
            return code;
        }
        json_decref(*a);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
}

/* The judgement behind the agent's monitor. */
int
cmd_probe(struct tool *t, int argc, char **argv)
{
    bool attributes = false, known = true;
    uint64_t level = 0;
    json_t *a;
    int code;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--attributes") == 0) {
            attributes = true;
        } else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc) {
            known = slice_u64(slice_of(argv[++i]), 20, &level) == 0 && level % 10 == 0;
        } else {
            known = false;
        }
        if (!known) {
            (void)fputs("usage: bridgehead probe [--level 0|10|20] [--attributes]\n", stderr);
            return BRIDGEHEAD_EXIT_USAGE;
        }
    }
    code = ask_probe(t, level, &a);
    if (json_object_get(a, "error") != NULL) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
    } else if (attributes) {
        print_attributes(a);
    } else {
        (void)printf("%s", tool_str(a, "state"));
        print_reasons(json_object_get(a, "reasons"));
        (void)printf("%s%s\n", tool_str(a, "why")[0] != '\0' ? ": " : "", tool_str(a, "why"));
    }
    if (attributes && code != 0) {
        (void)fprintf(stderr, "%s", tool_str(a, "why"));
        (void)fputc('\n', stderr);
    }
    json_decref(a);
    return code;
}

static void
print_why(const json_t *item)
{
    (void)printf("%s: %s\n",
        tool_str(item, tool_str(item, "recipient")[0] != '\0' ? "recipient" : "destination"),
        tool_str(item, "why"));
}

int
cmd_why(struct tool *t, int argc, char **argv)
{
    if (argc != 1) {
        (void)fputs("usage: bridgehead why ID|DESTINATION\n", stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    return tool_list(t, "why", json_pack("{s:s}", "id", argv[0]), NULL, print_why);
}
