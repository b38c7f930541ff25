/* tools/cmd_store_check.c - store check and store stat. */
#include "core/id.h"
#include "core/ticks.h"
#include "queue/segment.h"
#include "queue/store_tools.h"
#include "tools/tools.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct look {
    const struct tool *t;
    const struct tool_command *self;
    bool quiet; /* no findings */
    struct tool_progress progress;
};

static void
on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct look *l = ctx;

    tool_progress(&l->progress, done, total);
}

static void
print_finding_json(const struct queue_finding *f, const char *id)
{
    json_t *a = json_pack("{s:i,s:s,s:s,s:o,s:I,s:I,s:s,s:s,s:s,s:s}", "number", (int)f->kind,
        "finding", finding_name(f->kind), "level", finding_level(f->kind), "segment",
        tool_text(slice_of(f->file)), "offset", (json_int_t)f->offset, "length",
        (json_int_t)f->length, "id", id, "detail", f->detail, "what", finding_what(f->kind), "cure",
        finding_cure(f->kind));

    tool_print_json(a);
    json_decref(a);
}

void
tool_print_finding(const struct tool *t, const struct queue_finding *f)
{
    char id[ID_TEXT_CAP] = "", file[300];

    if (f->id != 0) {
        id_text(f->id, id);
    }
    if (t->json) {
        print_finding_json(f, id);
        return;
    }
    (void)snprintf(file, sizeof(file), "%s", f->file);
    for (char *at = file; *at != '\0'; at++) { /* somebody else's file may have any name */
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
    }
    (void)printf("%-7s %d %s", finding_is_damage(f->kind) ? "DAMAGE" : finding_level(f->kind),
        (int)f->kind, finding_name(f->kind));
    if (file[0] != '\0') {
        (void)printf(": %s at %llu", file, (unsigned long long)f->offset);
    }
    if (f->length > 0) {
        (void)printf(", %llu bytes", (unsigned long long)f->length);
    }
    (void)printf("%s%s%s%s\n", id[0] != '\0' ? ", message " : "", id,
        f->detail[0] != '\0' ? ", " : "", f->detail);
    if (strcmp(finding_level(f->kind), "note") != 0) {
        (void)printf(
            "        %s\n        cure: %s\n", finding_what(f->kind), finding_cure(f->kind));
    }
}

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    struct look *l = ctx;

    if (!l->quiet) {
        tool_progress_clear(&l->progress);
        tool_print_finding(l->t, f);
    }
}

/* Options and the store's place; 0 or an exit code. */
static int
begin(struct look *l, const char *name, int argc, char **argv, char *path, size_t cap)
{
    if (argc > 1 || (argc == 1 && strcmp(argv[0], "--progress") != 0)) {
        (void)fprintf(stderr, "usage: bridgehead %s [--progress]\n", name);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    tool_progress_begin(&l->progress, argc == 1);
    return tool_store_path(l->t, path, cap);
}

static json_t *
totals_json(const struct store_totals *k)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "segments", (json_int_t)k->segments,
        "records", (json_int_t)k->records, "messages", (json_int_t)k->messages, "recipients",
        (json_int_t)k->recipients, "bytes", (json_int_t)k->bytes, "torn_bytes",
        (json_int_t)k->torn_bytes, "late_bytes", (json_int_t)k->late_bytes, "damaged",
        (json_int_t)k->damaged, "snapshots", (json_int_t)k->snapshots);
}

int
cmd_store_check(struct tool *t, int argc, char **argv)
{
    struct look l = { .t = t };
    struct store_totals k;
    char path[STORE_PATH_CAP];
    struct store_look look = { .path = path, .finding = on_finding, .ctx = &l };
    int rc = begin(&l, "store check", argc, argv, path, sizeof(path));

    if (rc != 0) {
        return rc;
    }
    look.progress = l.progress.wanted ? on_progress : NULL;
    rc = store_check(&look, &k);
    tool_progress_clear(&l.progress);
    if (rc < 0) {
        return tool_store_fail(t, rc, look.text);
    }
    if (t->json) {
        json_t *a = totals_json(&k);

        tool_print_json(a);
        json_decref(a);
    } else {
        (void)printf("%llu segments, %llu records, %llu messages, %llu recipients, %llu snapshots, "
                     "%llu damaged\n",
            (unsigned long long)k.segments, (unsigned long long)k.records,
            (unsigned long long)k.messages, (unsigned long long)k.recipients,
            (unsigned long long)k.snapshots, (unsigned long long)k.damaged);
    }
    return k.damaged > 0 ? BRIDGEHEAD_EXIT_DAMAGED : 0;
}

/* ---- stat */

static double
ratio(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static void
on_segment(void *ctx, const struct store_segment_stat *s)
{
    struct look *l = ctx;
    double live = ratio(MIN(s->live_bytes, s->valid_bytes), s->valid_bytes);
    char valid[32];

    tool_progress_clear(&l->progress);
    if (l->t->json) {
        json_t *a = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:I,s:b}", "segment", s->name,
            "seq", (json_int_t)s->seq, "epoch", (json_int_t)s->epoch, "size",
            (json_int_t)s->size_bytes, "valid", (json_int_t)s->valid_bytes, "live_bytes",
            (json_int_t)s->live_bytes, "live_ratio", live, "live_records",
            (json_int_t)s->live_records, "needs", (json_int_t)s->needs, "damaged", s->damaged);

        tool_print_json(a);
        json_decref(a);
        return;
    }
    tool_size(valid, (long long)s->valid_bytes);
    (void)printf("  %s %10s %5.1f %% live in %u records, outlives %u%s\n", s->name, valid,
        live * 100, s->live_records, s->needs, s->damaged ? ", DAMAGED" : "");
}

static void
on_snapshot(void *ctx, const struct store_snapshot_stat *s)
{
    struct look *l = ctx;
    char size[32], created[TICKS_RFC3339_CAP] = "-";

    tool_progress_clear(&l->progress);
    if (l->t->json) {
        json_t *a = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:b,s:b}", "snapshot", s->name,
            "position", (json_int_t)s->position, "through", (json_int_t)s->through, "epoch",
            (json_int_t)s->epoch, "size", (json_int_t)s->size_bytes, "messages",
            (json_int_t)s->messages, "recipients", (json_int_t)s->recipients, "created",
            tool_time(s->created_wall_ms), "counts", s->counts, "good", s->good);

        tool_print_json(a);
        json_decref(a);
        return;
    }
    tool_size(size, (long long)s->size_bytes);
    if (s->created_wall_ms != 0) {
        ticks_rfc3339(s->created_wall_ms, created);
    }
    (void)printf("  %s %10s %llu messages before %llx, of %s%s%s\n", s->name, size,
        (unsigned long long)s->messages, (unsigned long long)s->position, created,
        s->counts ? "" : ", does not count", s->good ? "" : ", CANNOT BE USED");
}

static json_t *
stat_json(const struct store_stat *s)
{
    const struct store_owner_stat *o = &s->owner;
    json_t *a = totals_json(&s->totals);
    json_t *more = json_pack("{s:s,s:{s:s,s:s,s:s,s:I,s:f,s:o,s:b},s:o,s:I,s:I,s:I,s:f,s:I,s:I,s:I,"
                             "s:I,s:o,s:I}",
        "uuid", o->uuid, "owner", "node", o->node, "boot_id", o->boot_id, "state", o->state,
        "epoch", (json_int_t)o->epoch, "lease", (double)o->lease_ms / 1000, "since",
        tool_time(o->claimed_wall_ms), "locked", o->locked, "created",
        tool_time(s->created_wall_ms), "segment_bytes", (json_int_t)s->segment_bytes,
        "journal_bytes", (json_int_t)s->journal_bytes, "live_bytes", (json_int_t)s->live_bytes,
        "live_ratio", ratio(s->live_bytes, s->journal_bytes), "reserve_bytes",
        (json_int_t)s->reserve_bytes, "free_bytes", (json_int_t)s->free_bytes, "held",
        (json_int_t)s->held, "in_doubt", (json_int_t)s->in_doubt, "oldest",
        tool_time(s->oldest_wall_ms), "epochs", (json_int_t)s->epochs);

    (void)json_object_update(a, more);
    json_decref(more);
    return a;
}

static void
print_stat(const struct store_stat *s)
{
    const struct store_owner_stat *o = &s->owner;
    char journal[32], live[32], content[32], reserve[32], space[32],
        oldest[TICKS_RFC3339_CAP] = "-";

    tool_size(journal, (long long)s->journal_bytes);
    tool_size(live, (long long)s->live_bytes);
    tool_size(content, (long long)s->totals.bytes);
    tool_size(reserve, (long long)s->reserve_bytes);
    tool_size(space, (long long)s->free_bytes);
    if (s->oldest_wall_ms != 0) {
        ticks_rfc3339(s->oldest_wall_ms, oldest);
    }
    (void)printf("store    %s\n", o->uuid);
    (void)printf("owner    %s, node %s, epoch %llu%s\n", o->state,
        o->node[0] != '\0' ? o->node : "-", (unsigned long long)o->epoch,
        o->locked ? ", a live process holds the lock" : "");
    (void)printf("journal  %llu segments of %u epochs, %s, of which %s live (%.0f %%)\n",
        (unsigned long long)s->totals.segments, s->epochs, journal, live,
        100 * ratio(s->live_bytes, s->journal_bytes));
    (void)printf(
        "queue    %llu messages, %llu recipients, %s; %llu held, %llu in doubt, oldest %s\n",
        (unsigned long long)s->totals.messages, (unsigned long long)s->totals.recipients, content,
        (unsigned long long)s->held, (unsigned long long)s->in_doubt, oldest);
    (void)printf("reserve  %s, %s free on the filesystem\n", reserve, space);
    (void)printf("damaged  %llu places and messages\n", (unsigned long long)s->totals.damaged);
}

int
cmd_store_stat(struct tool *t, int argc, char **argv)
{
    struct look l = { .t = t, .quiet = true };
    struct store_stat s;
    char path[STORE_PATH_CAP];
    struct store_look look = { .path = path, .finding = on_finding, .ctx = &l };
    int rc = begin(&l, "store stat", argc, argv, path, sizeof(path));

    if (rc != 0) {
        return rc;
    }
    look.progress = l.progress.wanted ? on_progress : NULL;
    rc = store_stat(&look, &s, on_segment, on_snapshot);
    tool_progress_clear(&l.progress);
    if (rc < 0) {
        return tool_store_fail(t, rc, look.text);
    }
    if (t->json) {
        json_t *a = stat_json(&s);

        tool_print_json(a);
        json_decref(a);
    } else {
        print_stat(&s);
    }
    return s.totals.damaged > 0 ? BRIDGEHEAD_EXIT_DAMAGED : 0;
}
