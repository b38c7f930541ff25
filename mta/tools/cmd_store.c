/* tools/cmd_store.c - the store without a daemon. */
#include "app/app_conf.h"
#include "core/ticks.h"
#include "queue/queue.h"
#include "tools/tools.h"
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

static void
print_conf_error(void *ctx, const struct conf_error *e)
{
    char line[1024];

    (void)ctx;
    app_conf_error_text(e, line, sizeof(line));
    (void)fprintf(stderr, "bridgehead: %s\n", line);
}

static int
code_of(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case BH_ENOSTORE:
        return BRIDGEHEAD_EXIT_NO_STORE;
    case BH_EOWNED:
        return BRIDGEHEAD_EXIT_OWNED;
    case BH_EDAMAGED:
    case BH_EFORMAT:
        return BRIDGEHEAD_EXIT_DAMAGED;
    case -EIO:
    case -ENOSPC:
        return BRIDGEHEAD_EXIT_WRITE_FAILED;
    default:
        return BRIDGEHEAD_EXIT_FAILED;
    }
}

static int
fail(const struct tool *t, int rc, const char *text)
{
    return tool_fail(
        t, code_of(rc), tool_error(code_of(rc), text[0] != '\0' ? text : error_text(rc), ""));
}

/* The virtual IPs may come from the cluster and be absent from the file; the store's place does not
 * depend on them. */
static struct app_conf *
load(const struct tool *t)
{
    struct app_conf *c = NULL;

    if (app_conf_load(&c, t->config, NULL, print_conf_error, NULL) < 0) {
        return NULL;
    }
    return c;
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
        return fail(t, rc, text);
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
        return fail(t, rc, text);
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

static void
print_finding(void *ctx, const struct queue_finding *f)
{
    const struct tool *t = ctx;
    char id[24] = "";

    if (f->id != 0) {
        (void)snprintf(id, sizeof(id), "%llX", (unsigned long long)f->id);
    }
    if (t->json) {
        json_t *a = json_pack("{s:i,s:s,s:s,s:s,s:I,s:I,s:s,s:s,s:s,s:s}", "number", (int)f->kind,
            "finding", finding_name(f->kind), "level",
            finding_is_damage(f->kind) ? "damage" : "note", "segment", f->file, "offset",
            (json_int_t)f->offset, "length", (json_int_t)f->length, "id", id, "detail", f->detail,
            "what", finding_what(f->kind), "cure", finding_cure(f->kind));

        tool_print_json(a);
        json_decref(a);
        return;
    }
    (void)printf("%s %d %s", finding_is_damage(f->kind) ? "DAMAGE" : "note  ", (int)f->kind,
        finding_name(f->kind));
    if (f->file[0] != '\0') {
        (void)printf(": %s at %llu", f->file, (unsigned long long)f->offset);
    }
    if (f->length > 0) {
        (void)printf(", %llu bytes", (unsigned long long)f->length);
    }
    (void)printf("%s%s%s%s\n", id[0] != '\0' ? ", message " : "", id,
        f->detail[0] != '\0' ? ", " : "", f->detail);
}

static void
print_totals(const struct tool *t, const struct queue_check *k)
{
    json_t *a;

    if (!t->json) {
        (void)printf("%llu segments, %llu records, %llu messages, %llu recipients, %llu damaged\n",
            (unsigned long long)k->segments, (unsigned long long)k->records,
            (unsigned long long)k->messages, (unsigned long long)k->recipients,
            (unsigned long long)k->damaged);
        return;
    }
    a = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "segments", (json_int_t)k->segments, "records",
        (json_int_t)k->records, "messages", (json_int_t)k->messages, "recipients",
        (json_int_t)k->recipients, "bytes", (json_int_t)k->bytes, "torn_bytes",
        (json_int_t)k->torn_bytes, "damaged", (json_int_t)k->damaged);
    tool_print_json(a);
    json_decref(a);
}

int
cmd_store_check(struct tool *t, int argc, char **argv)
{
    struct app_conf *c = load(t);
    struct queue_check k = { 0 };
    char text[512] = "";
    int rc;

    (void)argc;
    (void)argv;
    if (c == NULL) {
        return BRIDGEHEAD_EXIT_CONFIG;
    }
    rc = queue_store_check(c->store_path, &k, print_finding, t, text, sizeof(text));
    app_conf_free(c);
    if (rc < 0) {
        return fail(t, rc, text);
    }
    print_totals(t, &k);
    return k.damaged > 0 ? BRIDGEHEAD_EXIT_DAMAGED : 0;
}
