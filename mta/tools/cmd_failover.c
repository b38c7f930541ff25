/* tools/cmd_failover.c - failover report, and the last failover in status. */
#include "tools/tools.h"
#include <stdio.h>

static void
print_seconds(const json_t *object, const char *key, const char *label)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_number(v)) {
        (void)printf("%s %.3f s", label, json_number_value(v));
    } else {
        (void)printf("%s -", label);
    }
}

void
tool_print_failover(const json_t *f)
{
    static const char *const phases[][2] = { { "lock_s", "lock" }, { "wait_s", ", wait" },
        { "claim_s", ", claim" }, { "replay_s", ", replay" }, { "seal_s", ", seal" },
        { "listen_s", ", listen" }, { "load_s", ", load" }, { "schedule_s", ", schedule" } };

    if (!json_is_object(f)) {
        return;
    }
    (void)printf("last failover  %s, epoch %lld", tool_str(f, "cause"), tool_int(f, "epoch"));
    if (tool_int(f, "previous_epoch") > 0) {
        (void)printf(
            " (before: %lld on %s)", tool_int(f, "previous_epoch"), tool_str(f, "previous_node"));
    }
    (void)printf(", opened %s\n", tool_str(f, "opened"));
    (void)printf("               ");
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        print_seconds(json_object_get(f, "phases"), phases[i][0], phases[i][1]);
    }
    (void)printf("\n               %lld messages, %lld recipients recovered; %lld in doubt\n",
        tool_int(f, "messages"), tool_int(f, "recipients"), tool_int(f, "in_doubt"));
}

static void
print_snapshot(const json_t *s)
{
    char size[32];

    tool_size(size, tool_int(s, "bytes"));
    (void)printf("\nsnapshot       %s%s", json_is_true(json_object_get(s, "used")) ? size : "none",
        json_is_true(json_object_get(s, "used")) ? " read" : ": the whole journal was read");
    if (tool_int(s, "unreadable") > 0) {
        (void)printf("; %lld newer could not be read", tool_int(s, "unreadable"));
    }
    (void)putchar('\n');
}

static void
print_rest(const json_t *f)
{
    static const char *const times[][2] = { { "opened_s", "store open after" },
        { "listening_s", ", listening" }, { "first_client_s", ", first client" },
        { "first_250_s", ", first 250" }, { "loaded_s", ", all loaded" },
        { "first_delivery_s", ", first delivery" } };
    char read[32], torn[32], late[32];

    (void)printf("since start    ");
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        print_seconds(json_object_get(f, "since_start"), times[i][0], times[i][1]);
    }
    tool_size(read, tool_int(f, "replayed_bytes"));
    tool_size(torn, tool_int(f, "torn_bytes"));
    tool_size(late, tool_int(f, "late_bytes"));
    print_snapshot(json_object_get(f, "snapshot"));
    (void)printf(
        "journal        %s in %lld segments read, %s torn tail, %s in %lld segments written late "
        "(beyond the seal: ignored)\n",
        read, tool_int(f, "replayed_segments"), torn, late, tool_int(f, "late_segments"));
    if (tool_int(f, "suspects") > 0) {
        (void)printf("poison         %lld messages in hand at two crashes or more, %lld of them "
                     "held now\n",
            tool_int(f, "suspects"), tool_int(f, "poison"));
    }
}

int
cmd_failover_report(struct tool *t, int argc, char **argv)
{
    json_t *a;
    int code = tool_ask(t, "failover report", NULL, TOOL_TIMEOUT_MS, &a);

    (void)argc;
    (void)argv;
    if (code != 0) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
    } else {
        tool_print_failover(a);
        print_rest(a);
    }
    json_decref(a);
    return 0;
}
