/* tools/cmd_queue.c - the queue commands. */
#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>

static const struct tool_command *
self(const char *name)
{
    for (size_t i = 0; i < tool_command_count; i++) {
        if (strcmp(tool_commands[i].name, name) == 0) {
            return &tool_commands[i];
        }
    }
    return &tool_commands[0];
}

static void
print_message(const json_t *m)
{
    const json_t *recipients = json_object_get(m, "recipients");
    char size[32];
    size_t i;
    json_t *r;

    tool_size(size, tool_int(m, "size"));
    (void)printf("%-14s %-10s %s <%s>\n", tool_str(m, "id"), size, tool_str(m, "received"),
        tool_str(m, "sender"));
    json_array_foreach((json_t *)(uintptr_t)recipients, i, r)
    {
        (void)printf("    %-9s <%s>", tool_str(r, "state"), tool_str(r, "address"));
        if (tool_str(r, "last_reply")[0] != '\0') {
            (void)printf(" %lld attempts, next %s: %s", tool_int(r, "attempts"),
                tool_str(r, "next"), tool_str(r, "last_reply"));
        }
        (void)putchar('\n');
    }
    if ((long long)json_array_size(recipients) < tool_int(m, "recipient_count")) {
        (void)printf("    ... %lld recipients in all\n", tool_int(m, "recipient_count"));
    }
}

int
cmd_queue_list(struct tool *t, int argc, char **argv)
{
    json_t *args = json_object();
    int code = tool_selection(self("queue list"), argc, argv, args);

    if (code != 0) {
        json_decref(args);
        return code;
    }
    return tool_list(t, "queue list", args, NULL, print_message);
}

/* All of it: a message with thousands of recipients takes several answers. */
int
tool_show(const struct tool *t, const char *id, json_t **out)
{
    json_t *whole = NULL, *cursor = NULL;

    do {
        json_t *args = json_pack("{s:s}", "id", id), *a;
        int code;

        if (cursor != NULL) {
            (void)json_object_set_new(args, "cursor", cursor);
        }
        code = tool_ask(t, "queue show", args, TOOL_TIMEOUT_MS, &a);
        if (code != 0) {
            json_decref(whole);
            *out = a;
            return code;
        }
        cursor = json_incref(json_object_get(a, "cursor"));
        (void)json_object_del(a, "cursor");
        if (whole == NULL) {
            whole = a;
        } else {
            (void)json_array_extend(
                json_object_get(whole, "recipients"), json_object_get(a, "recipients"));
            json_decref(a);
        }
    } while (cursor != NULL);
    *out = whole;
    return 0;
}

int
cmd_queue_show(struct tool *t, int argc, char **argv)
{
    json_t *a;
    int code;

    if (argc != 1) {
        return tool_usage(self("queue show"));
    }
    code = tool_show(t, argv[0], &a);
    if (code != 0) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
    } else {
        print_message(a);
        (void)printf("    from %s\n", tool_str(a, "client"));
    }
    json_decref(a);
    return 0;
}

/* Ask page by page until the daemon has seen the whole queue; sum up. */
static int
change(struct tool *t, const char *command, int argc, char **argv)
{
    long long changed = 0, not_found = 0, failed = 0;
    json_t *args = json_object(), *a, *cursor = NULL;
    int code = tool_selection(self(command), argc, argv, args);
    int worst = 0;

    if (code != 0) {
        json_decref(args);
        return code;
    }
    do {
        json_t *ask = json_deep_copy(args);

        if (cursor != NULL) {
            (void)json_object_set_new(ask, "cursor", cursor);
        }
        code = tool_ask(t, command, ask, 60000, &a);
        if (json_object_get(a, "error") != NULL) {
            json_decref(args);
            return tool_fail(t, code, a);
        }
        worst = code != 0 ? code : worst;
        changed += tool_int(a, "changed");
        not_found += tool_int(a, "not_found");
        failed += tool_int(a, "failed");
        cursor = json_incref(json_object_get(a, "cursor"));
        json_decref(a);
    } while (cursor != NULL);
    json_decref(args);
    a = json_pack("{s:I,s:I,s:I}", "changed", (json_int_t)changed, "not_found",
        (json_int_t)not_found, "failed", (json_int_t)failed);
    if (t->json) {
        tool_print_json(a);
    } else {
        (void)printf("%lld changed", changed);
        if (not_found > 0) {
            (void)printf(", %lld not in the queue", not_found);
        }
        if (failed > 0) {
            (void)printf(", %lld failed", failed);
        }
        (void)putchar('\n');
    }
    json_decref(a);
    return worst;
}

int
cmd_queue_hold(struct tool *t, int argc, char **argv)
{
    return change(t, "queue hold", argc, argv);
}

int
cmd_queue_release(struct tool *t, int argc, char **argv)
{
    return change(t, "queue release", argc, argv);
}

int
cmd_queue_retry(struct tool *t, int argc, char **argv)
{
    return change(t, "queue retry", argc, argv);
}

int
cmd_queue_bounce(struct tool *t, int argc, char **argv)
{
    return change(t, "queue bounce", argc, argv);
}

int
cmd_queue_remove(struct tool *t, int argc, char **argv)
{
    return change(t, "queue remove", argc, argv);
}
