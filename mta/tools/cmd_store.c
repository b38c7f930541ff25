/* tools/cmd_store.c - the store without a daemon. */
#include "app/app.h"
#include "app/app_conf.h"
#include "core/ticks.h"
#include "queue/queue.h"
#include "tools/tools.h"
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the cause is followed by a cure, which is a field of its own here. NULL: it is not. */
static const char *
cure_in(const char *text, int rc)
{
    const char *cause = error_text(rc), *at = strstr(text, cause);

    at = at != NULL ? at + strlen(cause) : "";
    return at[0] == '.' && at[1] == ' ' ? at + 2 : NULL;
}

int
tool_store_fail(const struct tool *t, int rc, const char *text)
{
    int code = app_exit_code(rc);
    const char *cure = cure_in(text, rc);
    size_t n = cure != NULL ? (size_t)(cure - text) - 2 : strlen(text);
    char what[1024];

    if ((rc == -EACCES || rc == -EPERM) && getuid() != 0) {
        cure = "Run it as root: the store is its own account's alone."; /* and not yours */
    }
    (void)snprintf(what, sizeof(what), "%.*s", (int)MIN(n, sizeof(what) - 1), text);
    return tool_fail(t, code,
        tool_error(code, what[0] != '\0' ? what : error_text(rc), cure != NULL ? cure : ""));
}

/* The virtual IPs may come from the cluster and be absent from the file; the store's place does not
 * depend on them. */
static struct app_conf *
load(const struct tool *t)
{
    struct app_conf *c = NULL;

    if (app_conf_load(&c, t->config, NULL, tool_conf_fault, (void *)(uintptr_t)t) < 0) {
        return NULL;
    }
    return c;
}

int
tool_store_path(const struct tool *t, char *out, size_t cap)
{
    struct app_conf *c = load(t);

    if (c == NULL) {
        return BRIDGEHEAD_EXIT_CONFIG;
    }
    (void)snprintf(out, cap, "%s", c->store_path);
    app_conf_free(c);
    return 0;
}

int
cmd_store_init(struct tool *t, int argc, char **argv)
{
    uint64_t segment_bytes = 64 * MIB;
    struct app_conf *c;
    const struct passwd *pw;
    char text[512] = "";
    int rc;

    if (argc == 2 && strcmp(argv[0], "--segment") == 0 &&
        ticks_parse_size(slice_of(argv[1]), &segment_bytes) == 0) {
        argc = 0;
    }
    if (argc > 0) {
        (void)fputs("usage: bridgehead store init [--segment SIZE]\n", stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    c = load(t);
    if (c == NULL) {
        return BRIDGEHEAD_EXIT_CONFIG;
    }
    pw = getpwnam(c->user);
    if (pw == NULL) {
        (void)snprintf(text, sizeof(text),
            "there is no account \"%s\" (create it: adduser --system --group --no-create-home %s)",
            c->user, c->user);
        rc = BH_ECONFIG;
    } else {
        rc = queue_store_init(
            c->store_path, segment_bytes, pw->pw_uid, pw->pw_gid, text, sizeof(text));
    }
    if (rc < 0) {
        app_conf_free(c);
        return tool_store_fail(t, rc, text);
    }
    if (t->json) {
        json_t *a = json_pack("{s:s,s:b}", "path", c->store_path, "created", 1);

        tool_print_json(a);
        json_decref(a);
    } else {
        (void)printf("made a store in %s\n", c->store_path);
    }
    app_conf_free(c);
    return 0;
}

int
cmd_store_owner(struct tool *t, int argc, char **argv)
{
    struct app_conf *c = load(t);
    struct queue_owner o;
    char text[512] = "";
    int rc;

    (void)argc;
    (void)argv;
    if (c == NULL) {
        return BRIDGEHEAD_EXIT_CONFIG;
    }
    rc = queue_store_owner(c->store_path, &o, text, sizeof(text));
    app_conf_free(c);
    if (rc < 0) {
        return tool_store_fail(t, rc, text);
    }
    if (t->json) {
        json_t *a = json_pack("{s:s,s:s,s:s,s:s,s:I,s:f,s:b}", "uuid", o.uuid, "node", o.node,
            "boot_id", o.boot_id, "state", o.state, "epoch", (json_int_t)o.epoch, "lease",
            (double)o.lease_ms / 1000, "locked", o.locked);

        tool_print_json(a);
        json_decref(a);
    } else { /* one line that the agent reads: STATE NODE EPOCH */
        (void)printf(
            "%s %s %llu\n", o.state, o.node[0] != '\0' ? o.node : "-", (unsigned long long)o.epoch);
    }
    return 0;
}
