/* tools/cmd_store_repair.c - store repair: what is damaged is set aside, so that the rest is whole.
 *
 * It becomes the owner of the store like a daemon would (and is refused where that would be), and
 * only appends to the journal under its own epoch: messages that are hurt are removed, damage that
 * was looked at is noted as dealt with. Nothing is changed in place. Each step can be cut and the
 * whole be run again: docs/formats/journal.md section 6d.
 */
#include "app/app.h"
#include "app/app_conf.h"
#include "core/crc32c.h"
#include "core/id.h"
#include "core/io.h"
#include "core/ticks.h"
#include "loop/loop.h"
#include "queue/owner_file.h"
#include "queue/queue_repair.h"
#include "queue/segment.h"
#include "queue/snapshot.h"
#include "queue/store_tools.h"
#include "tools/tools.h"
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE   0600
#define DIR_MODE    0700
#define PIECE_BYTES (256 * 1024)
#define PATH_CAP    (STORE_PATH_CAP + 128)

struct kept { /* a finding that is damage */
    struct queue_finding f;
    char file[300], detail[128];
    uint64_t seq; /* of a segment */
    bool done;
};

struct repair {
    const struct tool *t;
    const struct app_conf *conf;
    char store[STORE_PATH_CAP], quarantine[STORE_PATH_CAP], journal[STORE_PATH_CAP];
    struct kept *list;
    size_t count, capacity;
    int log_fd;
    uint64_t log_at;
    struct loop *loop;
    struct queue *q;
    int status; /* of what the loop was last run for */
    unsigned saved, settled, moved;
    bool progress_wanted;
    struct tool_progress progress;
    char text[512];
};

/* ---- findings */

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    struct repair *r = ctx;
    struct kept *k;
    uint32_t epoch;

    if (!finding_is_damage(f->kind)) {
        return;
    }
    if (r->count == r->capacity) {
        size_t capacity = MAX(r->capacity * 2, (size_t)64);
        struct kept *grown = realloc(r->list, capacity * sizeof(*grown));

        if (grown == NULL) {
            return; /* what is left is found by the next repair */
        }
        r->list = grown;
        r->capacity = capacity;
    }
    k = &r->list[r->count++];
    *k = (struct kept){ .f = *f };
    (void)snprintf(k->file, sizeof(k->file), "%s", f->file);
    (void)snprintf(k->detail, sizeof(k->detail), "%s", f->detail);
    k->f.file = k->f.detail = NULL;
    (void)!segment_name_parse(k->file, &k->seq, &epoch);
}

enum step {
    STEP_NONE,
    STEP_REFUSE,
    STEP_OWNER,
    STEP_MOVE,
    STEP_SETTLE,
    STEP_MISS,
    STEP_SAVE,
    STEP_SNAPSHOT
};

static enum step
step_of(enum bridgehead_finding kind)
{
    static const struct {
        enum bridgehead_finding kind;
        enum step step;
    } steps[] = {
        { FINDING_STORE_DAMAGED, STEP_REFUSE },
        { FINDING_STORE_NEWER, STEP_REFUSE },
        { FINDING_OWNER_NEWER, STEP_REFUSE },
        { FINDING_SEGMENT_NEWER, STEP_REFUSE },
        { FINDING_RECORD_NEWER, STEP_REFUSE },
        { FINDING_OWNER_DAMAGED, STEP_OWNER },
        { FINDING_OWNER_FOREIGN, STEP_OWNER },
        { FINDING_SEGMENT_HEADER, STEP_MOVE },
        { FINDING_SEGMENT_FOREIGN, STEP_MOVE },
        { FINDING_SEGMENT_MISPLACED, STEP_MOVE },
        { FINDING_SEGMENT_DUPLICATE, STEP_MOVE },
        { FINDING_SEGMENT_SHORT, STEP_SETTLE },
        { FINDING_SEAL_DAMAGED, STEP_SETTLE },
        { FINDING_RECORD_HEADER, STEP_SETTLE },
        { FINDING_RECORD_DAMAGED, STEP_SETTLE },
        { FINDING_RECORD_CONTRADICTS, STEP_SETTLE },
        { FINDING_SEGMENT_MISSING, STEP_MISS },
        { FINDING_MESSAGE_DAMAGED, STEP_SAVE },
        { FINDING_MESSAGE_MISSING, STEP_SAVE },
        { FINDING_SNAPSHOT_DISAGREES, STEP_SNAPSHOT },
    };

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i].kind == kind) {
            return steps[i].step;
        }
    }
    return STEP_NONE;
}

static void
step_text(const struct kept *k, char *out, size_t cap)
{
    char id[ID_TEXT_CAP];

    switch (step_of(k->f.kind)) {
    case STEP_OWNER:
        (void)snprintf(out, cap, "move %s to quarantine/, and mark its epoch as dead", k->file);
        break;
    case STEP_MOVE:
        (void)snprintf(out, cap, "move segment %s to quarantine/", k->file);
        break;
    case STEP_SETTLE:
        (void)snprintf(out, cap,
            "copy what is at %llu of %s (%llu bytes) to quarantine/, and note it as dealt with",
            (unsigned long long)k->f.offset, k->file, (unsigned long long)k->f.length);
        break;
    case STEP_SAVE:
        id_text(k->f.id, id);
        (void)snprintf(out, cap,
            "write what can be read of message %s to quarantine/%s.eml and .json, and remove it "
            "from the queue",
            id, id);
        break;
    case STEP_MISS:
        (void)snprintf(out, cap, "note that %s is not there any more", k->detail);
        break;
    case STEP_SNAPSHOT:
        (void)snprintf(out, cap, "delete %s: the journal has all that counts", k->file);
        break;
    case STEP_REFUSE:
    case STEP_NONE:
        out[0] = '\0';
        break;
    }
}

/* ---- what is told, on the screen and in the repair's own journal */

static int
note(struct repair *r, const char *step, const struct kept *k, const char *detail)
{
    json_t *a = json_pack("{s:o,s:s,s:s,s:s,s:I,s:I,s:s}", "time", tool_time(ticks_wall_ms()),
        "step", step, "finding", k != NULL ? finding_name(k->f.kind) : "", "file",
        k != NULL ? k->file : "", "offset", (json_int_t)(k != NULL ? k->f.offset : 0), "length",
        (json_int_t)(k != NULL ? k->f.length : 0), "detail", detail);
    char *line = json_dumps(a, JSON_COMPACT | JSON_PRESERVE_ORDER);
    int rc = line != NULL ? 0 : -ENOMEM;

    if (rc == 0) {
        size_t n = strlen(line);

        line[n] = '\n'; /* in the place of the terminator */
        rc = io_pwrite_all(r->log_fd, line, n + 1, r->log_at);
        r->log_at += n + 1;
    }
    rc = rc < 0 ? rc : io_fdatasync(r->log_fd);
    if (r->t->json) {
        tool_print_json(a);
    } else {
        (void)printf("%s: %s\n", step, detail);
    }
    free(line);
    json_decref(a);
    return rc;
}

static int
begin_quarantine(struct repair *r)
{
    char path[PATH_CAP], when[TICKS_RFC3339_CAP];
    int rc = io_mkdir(r->quarantine, DIR_MODE);

    rc = rc == -EEXIST ? 0 : rc;
    rc = rc < 0 ? rc : io_sync_dir(r->store);
    if (rc < 0) {
        return rc;
    }
    ticks_rfc3339(ticks_wall_ms(), when);
    (void)snprintf(path, sizeof(path), "%s/repair-%s.log", r->quarantine, when);
    r->log_fd = io_open(path, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
    return r->log_fd < 0 ? r->log_fd : io_sync_dir(r->quarantine);
}

/* ---- owner file: aside, and a dead one in its place, so that whoever still holds it open sees a
 * higher epoch when the next owner claims */

static int
set_owner_aside(struct repair *r, struct kept *k)
{
    struct owner_record dead = { .state = OWNER_DEAD, .counter = 1, .lease_ms = 1000 };
    char from[PATH_CAP], to[PATH_CAP], block[STORE_BLOCK_BYTES];
    struct store_head head;
    size_t n;
    int rc;

    if (!owner_file_name_parse(k->file, &dead.epoch)) {
        return BH_ESTATE;
    }
    (void)snprintf(from, sizeof(from), "%s/STORE", r->store);
    rc = io_read_file(from, block, sizeof(block), &n);
    rc = rc < 0 ? rc : store_head_get((const uint8_t *)block, n, &head);
    if (rc < 0) {
        return rc;
    }
    memcpy(dead.uuid, head.uuid, sizeof(dead.uuid));
    (void)snprintf(dead.node, sizeof(dead.node), "store-repair");
    dead.claimed_wall_ms = ticks_wall_ms();
    (void)snprintf(from, sizeof(from), "%s/%s", r->store, k->file);
    (void)snprintf(to, sizeof(to), "%s/%s", r->quarantine, k->file);
    rc = io_rename(from, to);
    rc = rc < 0 ? rc : owner_file_create(r->store, &dead);
    return rc < 0 ? rc : note(r, "moved", k, k->file);
}

static int
set_owners_aside(struct repair *r)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->count; i++) {
        if (step_of(r->list[i].f.kind) == STEP_OWNER) {
            rc = set_owner_aside(r, &r->list[i]);
        }
    }
    return rc;
}

/* ---- the queue */

static void
on_message(void *ctx, struct queue_message *m)
{
    (void)ctx;
    (void)m;
}

static void
on_space(void *ctx, bool low)
{
    (void)ctx;
    (void)low;
}

static void
done(void *ctx, int status)
{
    struct repair *r = ctx;

    r->status = status;
    loop_stop(r->loop);
}

static void
ready(void *ctx)
{
    done(ctx, 0);
}

static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    struct repair *r = ctx;

    (void)claim;
    r->q = q;
    (void)snprintf(r->text, sizeof(r->text), "%s", text);
    done(r, status);
}

static int
wait_done(struct repair *r)
{
    (void)loop_run(r->loop);
    return r->status;
}

static int
open_queue(struct repair *r, const char *node)
{
    char lock[APP_PATH_CAP], dir[APP_PATH_CAP];
    struct io_stat st;
    struct queue_opening *op;
    struct queue_options o = { .path = r->store,
        .node = node,
        .lease_ms = r->conf->store_lease_ms,
        .whole_journal = true,
        .on_finding = on_finding,
        .on_message = on_message,
        .on_gone = on_message,
        .on_space = on_space,
        .on_failure = done,
        .ctx = r };
    int rc;

    app_server_lock(r->conf->instance, lock);
    (void)snprintf(dir, sizeof(dir), "%s", lock);
    *strrchr(dir, '/') = '\0';
    o.run_lock_path = io_stat(dir, &st) == 0 ? lock : NULL; /* none: no server ran since the boot */
    r->count = 0;                                           /* told anew by the recovery */
    rc = loop_new(&r->loop);
    rc = rc < 0 ? rc : queue_open(&op, r->loop, &o, on_open, r);
    return rc < 0 ? rc : wait_done(r);
}

static int
sync_queue(struct repair *r)
{
    int rc = queue_sync(r->q, done, r);

    return rc < 0 ? rc : wait_done(r);
}

/* ---- a message: what can be read of it, then it is removed */

struct saving {
    int fd;
    uint64_t at;
    json_t *missing;
};

/* One piece; what cannot be read stays zero. */
static int
save_piece(struct repair *r, const struct queue_message *m, struct saving *s, uint32_t bytes)
{
    struct queue_reader *reader;
    struct slice piece;
    int rc = queue_reader_open(r->q, m, &reader);

    if (rc < 0) {
        return rc;
    }
    (void)queue_reader_seek(reader, s->at);
    do {
        rc = queue_reader_next(reader, &piece, ready, r);
    } while (rc == BH_EBUSY && wait_done(r) == 0);
    if (rc > 0) {
        rc = io_pwrite_all(s->fd, piece.p, piece.n, s->at);
    } else {
        (void)json_array_append_new(s->missing,
            json_pack("{s:I,s:I}", "offset", (json_int_t)s->at, "bytes", (json_int_t)bytes));
        rc = 0;
    }
    queue_reader_close(reader);
    s->at += bytes;
    return rc;
}

static int
save_content(struct repair *r, const struct queue_message *m, const char *path, struct saving *s)
{
    uint32_t bytes;
    int rc = 0;

    s->fd = io_open(path, O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
    if (s->fd < 0) {
        return s->fd;
    }
    for (uint32_t i = 0; rc == 0 && (bytes = queue_piece_bytes(m, i)) > 0; i++) {
        rc = save_piece(r, m, s, bytes);
    }
    rc = rc < 0 ? rc : io_ftruncate(s->fd, s->at);
    return rc < 0 ? rc : io_fsync(s->fd);
}

static int
checksum(int fd, uint64_t bytes, uint32_t *crc)
{
    static char piece[PIECE_BYTES];

    *crc = 0;
    for (uint64_t at = 0; at < bytes;) {
        ssize_t n = io_pread(fd, piece, sizeof(piece), at);

        if (n <= 0) {
            return n < 0 ? (int)n : -EIO;
        }
        *crc = crc32c(*crc, piece, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

static json_t *
envelope_json(const struct repair *r, const struct queue_message *m)
{
    json_t *list = json_array();
    char id[ID_TEXT_CAP], uuid[37];

    for (uint32_t i = 0; i < m->recipient_count; i++) {
        const struct queue_recipient *to = &m->recipients[i];

        if (to->state == RECIPIENT_QUEUED) {
            (void)json_array_append_new(list,
                json_pack("{s:o,s:o,s:i,s:s,s:i,s:o,s:o,s:b}", "address", tool_text(to->address),
                    "orcpt", tool_text(to->orcpt), "notify", (int)to->notify, "state", "queued",
                    "attempts", (int)to->attempts, "next", tool_time(to->next_wall_ms),
                    "last_reply", tool_text(to->last_reply), "in_doubt", to->in_doubt));
        }
    }
    queue_store_uuid(r->q, uuid);
    return json_pack("{s:s,s:s,s:o,s:o,s:s,s:i,s:o,s:I,s:o,s:b,s:o}", "id", id_text(m->id, id),
        "store", uuid, "sender", tool_text(m->sender), "envid", tool_text(m->envid), "body",
        envelope_body_name(m->body), "hops", (int)m->hops, "received",
        tool_time(m->received_wall_ms), "received_ms", (json_int_t)m->received_wall_ms, "client",
        tool_text(m->client), "held", 0, "recipients", list);
}

static int
save_message(struct repair *r, const struct queue_message *m)
{
    struct saving s = { .fd = -1, .missing = json_array() };
    char path[PATH_CAP], envelope_path[PATH_CAP], id[ID_TEXT_CAP];
    json_t *shown = envelope_json(r, m), *envelope;
    uint32_t crc;
    int rc;

    (void)snprintf(path, sizeof(path), "%s/%s.eml", r->quarantine, id_text(m->id, id));
    message_file_envelope(path, envelope_path, sizeof(envelope_path));
    rc = save_content(r, m, path, &s);
    rc = rc < 0 ? rc : checksum(s.fd, s.at, &crc);
    io_close(&s.fd);
    if (rc == 0) {
        envelope = message_file_from_show(shown, s.at, crc, json_array_size(s.missing) == 0);
        (void)json_object_set(envelope, "missing", s.missing);
        rc = message_file_write(envelope_path, envelope);
        json_decref(envelope);
    }
    json_decref(s.missing);
    json_decref(shown);
    return rc < 0 ? rc : note(r, "saved", NULL, path);
}

static int
remove_message(struct repair *r, struct queue_message *m)
{
    struct queue_outcome *list = calloc(m->recipient_count, sizeof(*list));
    uint32_t n = 0;
    int rc;

    if (list == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        if (m->recipients[i].state == RECIPIENT_QUEUED) {
            list[n++] = (struct queue_outcome){ .recipient = i,
                .kind = OUTCOME_REMOVED,
                .reply = SLICE_LIT("set aside by store repair") };
        }
    }
    rc = n > 0 ? queue_record(r->q, m, list, n) : 0;
    free(list);
    return rc;
}

static int
save_messages(struct repair *r)
{
    struct queue_message *m;
    msg_id id = 0;
    int rc = 0;

    while (rc == 0 && (m = queue_damaged_after(r->q, id)) != NULL) {
        id = m->id;
        rc = save_message(r, m);
        rc = rc < 0 ? rc : remove_message(r, m);
        r->saved += rc == 0;
    }
    return rc < 0 ? rc : sync_queue(r); /* removed durably, before their damage is forgotten */
}

/* ---- damaged places */

static int
copy_range(struct repair *r, const struct kept *k)
{
    static char piece[PIECE_BYTES];
    char from[PATH_CAP], to[PATH_CAP];
    uint64_t at = 0;
    int out, in, rc = 0;

    (void)snprintf(from, sizeof(from), "%s/%s", r->journal, k->file);
    (void)snprintf(
        to, sizeof(to), "%s/%s-%llu.bin", r->quarantine, k->file, (unsigned long long)k->f.offset);
    in = io_open(from, O_RDONLY, 0);
    out = io_open(to, O_WRONLY | O_CREAT | O_TRUNC, FILE_MODE);
    rc = in < 0 ? in : out < 0 ? out : 0;
    while (rc == 0 && at < k->f.length) {
        ssize_t n =
            io_pread(in, piece, MIN(sizeof(piece), (size_t)(k->f.length - at)), k->f.offset + at);

        if (n <= 0) {
            rc = n < 0 && n != -EIO ? (int)n : 0; /* a bad block is what it is */
            break;
        }
        rc = io_pwrite_all(out, piece, (size_t)n, at);
        at += (uint64_t)n;
    }
    rc = rc < 0 ? rc : io_fsync(out);
    io_close(&in);
    io_close(&out);
    return rc < 0 ? rc : note(r, "copied", k, to);
}

/* All places of one segment in one record. */
static int
settle_segment(struct repair *r, size_t first)
{
    struct repaired_place *places = calloc(REPAIRED_PLACES_MAX, sizeof(*places));
    uint64_t seq = r->list[first].seq;
    uint32_t n = 0;
    int rc = places != NULL ? 0 : -ENOMEM;

    for (size_t i = first; rc == 0 && i < r->count && n < REPAIRED_PLACES_MAX; i++) {
        struct kept *k = &r->list[i];

        if (k->seq == seq && !k->done && step_of(k->f.kind) == STEP_SETTLE) {
            rc = copy_range(r, k);
            places[n++] = (struct repaired_place){ (uint32_t)k->f.offset, (uint32_t)k->f.kind };
            k->done = true;
        }
    }
    rc = rc < 0 ? rc : io_sync_dir(r->quarantine); /* before the record may be durable */
    rc = rc < 0 ? rc : queue_settle_damage(r->q, seq, places, n);
    r->settled += rc == 0 ? n : 0;
    free(places);
    return rc;
}

static int
settle_all(struct repair *r)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->count; i++) {
        if (!r->list[i].done && step_of(r->list[i].f.kind) == STEP_SETTLE) {
            rc = settle_segment(r, i);
        }
    }
    return rc < 0 ? rc : sync_queue(r);
}

/* ---- segments of which nothing counts */

/* Before their names go: what is not there is not missed from here on. */
static int
say_missing(struct repair *r)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->count; i++) {
        const struct kept *k = &r->list[i];

        if (k->f.kind == FINDING_SEGMENT_HEADER) {
            queue_segment_moves(r->q, k->seq);
        } else if (k->f.kind == FINDING_SEGMENT_MISSING) {
            rc = note(r, "missing", k, k->detail);
            r->settled++;
        }
    }
    rc = rc < 0 ? rc : queue_say_missing(r->q);
    return rc < 0 ? rc : sync_queue(r);
}

static int
move_segments(struct repair *r)
{
    char from[PATH_CAP], to[PATH_CAP];
    int rc = say_missing(r);

    for (size_t i = 0; rc == 0 && i < r->count; i++) {
        struct kept *k = &r->list[i];

        if (step_of(k->f.kind) != STEP_MOVE) {
            continue;
        }
        (void)snprintf(from, sizeof(from), "%s/%s", r->journal, k->file);
        (void)snprintf(to, sizeof(to), "%s/%s", r->quarantine, k->file);
        rc = queue_lease_check(r->q);
        rc = rc < 0 ? rc : io_rename(from, to);
        rc = rc == -ENOENT ? 0 : rc; /* two findings of one file */
        rc = rc < 0 ? rc : note(r, "moved", k, to);
        r->moved++;
    }
    rc = rc < 0 ? rc : io_sync_dir(r->quarantine);
    return rc < 0 ? rc : io_sync_dir(r->journal);
}

/* They know of the damage, and nothing depends on them: the next start reads the whole journal. */
static int
each_snapshot(void *ctx, const char *name)
{
    const struct repair *r = ctx;
    char path[PATH_CAP];
    uint64_t position;
    uint32_t epoch;

    (void)snprintf(path, sizeof(path), "%s/snapshot/%s", r->store, name);
    return snapshot_name_parse(name, &position, &epoch) ? io_unlink(path) : 0;
}

static int
drop_snapshots(struct repair *r)
{
    char dir[PATH_CAP];
    int rc;

    (void)snprintf(dir, sizeof(dir), "%s/snapshot", r->store);
    rc = io_list(dir, each_snapshot, r);
    return rc == -ENOENT ? 0 : rc;
}

static int
run_steps(struct repair *r)
{
    int rc = save_messages(r);

    rc = rc < 0 ? rc : settle_all(r);
    rc = rc < 0 ? rc : move_segments(r);
    rc = rc < 0 ? rc : drop_snapshots(r);
    rc = rc < 0 ? rc : queue_release(r->q, done, r);
    return rc < 0 ? rc : wait_done(r);
}

/* ---- the command */

static void
on_progress(void *ctx, uint64_t done, uint64_t total)
{
    tool_progress(&((struct repair *)ctx)->progress, done, total);
}

/* The whole store is read: what takes time in a repair. */
static int
check(struct repair *r, struct store_look *look, struct store_totals *k)
{
    int rc;

    tool_progress_begin(&r->progress, r->progress_wanted);
    look->progress = r->progress.wanted ? on_progress : NULL;
    look->ctx = r;
    rc = store_check(look, k);
    tool_progress_clear(&r->progress);
    return rc;
}

/* The daemon must be able to open what is made here: as the store's account. */
static int
become_owner_of_store(const struct repair *r)
{
    struct io_stat st;
    int rc = io_stat(r->store, &st);

    if (rc < 0 || geteuid() != 0) {
        return rc;
    }
    if (setgroups(0, NULL) < 0 || setegid(st.gid) < 0 || seteuid(st.uid) < 0) {
        return -errno;
    }
    return 0;
}

static bool
confirm(const struct repair *r, bool yes)
{
    char answer[8] = "";

    if (r->t->json) {
        return yes; /* the steps are told, and a program does not answer */
    }
    (void)printf("%zu step%s. Nothing else is changed; quarantine/ gets a list of all that is "
                 "done.\n",
        r->count, r->count == 1 ? "" : "s");
    if (yes) {
        return true;
    }
    if (isatty(STDIN_FILENO) != 1) {
        (void)printf("Add --yes to do this.\n");
        return false;
    }
    (void)printf("Do this? [y/N] ");
    (void)fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int
show_plan(const struct repair *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct kept *k = &r->list[i];
        char text[512];

        if (step_of(k->f.kind) == STEP_REFUSE) {
            (void)snprintf(text, sizeof(text), "%s: %s %s", k->file, finding_what(k->f.kind),
                finding_cure(k->f.kind));
            return tool_fail(r->t, BRIDGEHEAD_EXIT_DAMAGED,
                tool_error(BRIDGEHEAD_EXIT_DAMAGED, text, "No repair can do that."));
        }
        step_text(k, text, sizeof(text));
        if (r->t->json) {
            struct queue_finding f = k->f;

            f.file = k->file;
            f.detail = k->detail;
            tool_print_finding(r->t, &f);
        } else if (text[0] != '\0') {
            (void)printf("%d %s: %s\n", (int)k->f.kind, finding_name(k->f.kind), text);
        }
    }
    return 0;
}

static int
print_result(const struct repair *r, uint64_t damaged)
{
    if (r->t->json) {
        json_t *a = json_pack("{s:i,s:i,s:i,s:I,s:s}", "saved", (int)r->saved, "settled",
            (int)r->settled, "moved", (int)r->moved, "damaged", (json_int_t)damaged, "quarantine",
            r->quarantine);

        tool_print_json(a);
        json_decref(a);
    } else {
        (void)printf("%u messages set aside, %u places dealt with, %u segments moved; %llu damaged "
                     "now. See %s\n",
            r->saved, r->settled, r->moved, (unsigned long long)damaged, r->quarantine);
    }
    return damaged > 0 ? BRIDGEHEAD_EXIT_DAMAGED : 0;
}

static int
result(struct repair *r)
{
    struct store_look look = { .path = r->store };
    struct store_totals k;
    int rc = check(r, &look, &k);

    return rc < 0 ? tool_store_fail(r->t, rc, look.text) : print_result(r, k.damaged);
}

static int
repair(struct repair *r, const char *node)
{
    int rc = become_owner_of_store(r);

    rc = rc < 0 ? rc : begin_quarantine(r);
    rc = rc < 0 ? rc : set_owners_aside(r);
    rc = rc < 0 ? rc : open_queue(r, node);
    if (rc == 0) {
        rc = run_steps(r);
    }
    queue_free(r->q);
    if (r->loop != NULL) {
        loop_free(r->loop);
    }
    io_close(&r->log_fd);
    if (rc < 0 && r->text[0] == '\0') {
        (void)snprintf(r->text, sizeof(r->text),
            "the repair stopped: %s. Look at the disk and its space, then run it again; what was "
            "done is listed in %.200s",
            error_text(rc), r->quarantine);
    }
    return rc < 0 ? tool_store_fail(r->t, rc, r->text) : result(r);
}

static int
plan_and_repair(struct repair *r, const char *node, bool yes)
{
    struct store_look look = { .path = r->store, .finding = on_finding };
    struct queue_owner owner;
    struct store_totals totals;
    int code, rc = check(r, &look, &totals);

    if (rc < 0 && r->count == 0) {
        return tool_store_fail(r->t, rc, look.text);
    }
    if (r->count == 0 && r->t->json) {
        return print_result(r, 0);
    }
    if (r->count == 0) {
        (void)printf("nothing is damaged\n");
        return 0;
    }
    code = show_plan(r);
    if (code != 0) {
        return code;
    }
    if (queue_store_owner(r->store, &owner, look.text, sizeof(look.text)) == 0 && owner.locked) {
        return tool_store_fail(
            r->t, BH_EOWNED, "a live process holds the store: stop the daemon first");
    }
    return confirm(r, yes) ? repair(r, node) : BRIDGEHEAD_EXIT_DAMAGED;
}

static void
ignore_fault(void *ctx, const struct conf_error *e)
{
    (void)ctx;
    (void)e;
}

int
cmd_store_repair(struct tool *t, int argc, char **argv)
{
    struct repair r = { .t = t, .log_fd = -1 };
    struct app_conf *c = NULL;
    char host[256] = "";
    const char *node = host;
    bool yes = false;
    int code;

    (void)gethostname(host, sizeof(host) - 1);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--yes") == 0) {
            yes = true;
        } else if (strcmp(argv[i], "--progress") == 0) {
            r.progress_wanted = true;
        } else if (strcmp(argv[i], "--node") == 0 && i + 1 < argc) {
            node = argv[++i];
        } else {
            (void)fputs(
                "usage: bridgehead store repair [--yes] [--node NAME] [--progress]\n", stderr);
            return BRIDGEHEAD_EXIT_USAGE;
        }
    }
    if (!queue_node_valid(node)) {
        return tool_fail(t, BRIDGEHEAD_EXIT_USAGE,
            tool_error(BRIDGEHEAD_EXIT_USAGE, "that cannot be a node's name",
                "Give --node a name of 1 to 63 bytes without blanks."));
    }
    code = tool_store_path(t, r.store, sizeof(r.store));
    if (code != 0 || app_conf_load(&c, t->config, NULL, ignore_fault, NULL) < 0) {
        return code != 0 ? code : BRIDGEHEAD_EXIT_CONFIG;
    }
    r.conf = c;
    if (store_path(r.quarantine, r.store, "quarantine") == 0 &&
        store_path(r.journal, r.store, "journal") == 0) {
        code = plan_and_repair(&r, node, yes);
    } else {
        code = tool_store_fail(t, -ENAMETOOLONG, "");
    }
    app_conf_free(c);
    free(r.list);
    return code;
}
