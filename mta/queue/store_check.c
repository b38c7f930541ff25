/* store check: all of a store is looked at, and nothing is changed. What the journal's bytes mean
 * is judged by recover.c alone, so that the check and the daemon never disagree. */
#include "queue/owner_file.h"
#include "queue/queue_int.h"
#include "queue/recover.h"
#include <stdio.h>
#include <stdlib.h>

struct check {
    const char *path;
    struct queue_check *out;
    queue_finding_fn *each;
    void *ctx;
    struct store_head head;
    struct owner_record last; /* of the newest owner file, where it can be read */
    uint64_t epoch;           /* of that file; 0: there is none */
    const char *dir;          /* that is being listed, "" for the store itself */
};

static void
tell(struct check *c, enum bridgehead_finding kind, const char *file, const char *detail)
{
    struct queue_finding f = { .kind = kind, .file = file, .detail = detail };

    c->out->damaged += finding_is_damage(kind);
    if (c->each != NULL) {
        c->each(c->ctx, &f);
    }
}

/* ---- STORE */

static int
check_head(struct check *c, char *text, size_t cap)
{
    int rc = store_read(c->path, &c->head, text, cap);

    if (rc == BH_EDAMAGED) {
        tell(c, FINDING_STORE_DAMAGED, "STORE", "");
    } else if (rc == BH_EFORMAT) {
        tell(c, FINDING_STORE_NEWER, "STORE", "");
    }
    return rc;
}

/* ---- owner files */

static void
check_newest_owner(struct check *c, const char *name, const uint8_t *bytes, size_t n)
{
    int rc = owner_file_parse(bytes, n, &c->last);
    struct owner_record slot;

    if (rc == BH_EFORMAT) {
        tell(c, FINDING_OWNER_NEWER, name, "");
    } else if (rc < 0 || c->last.epoch != c->epoch) {
        tell(c, FINDING_OWNER_DAMAGED, name, "");
        c->last = (struct owner_record){ .state = OWNER_NONE };
    } else if (memcmp(c->last.uuid, c->head.uuid, sizeof(c->last.uuid)) != 0) {
        tell(c, FINDING_OWNER_FOREIGN, name, "");
        c->last = (struct owner_record){ .state = OWNER_NONE };
    }
    for (unsigned i = 0; rc == 0 && i < 2; i++) {
        if (n < (i + 1) * OWNER_SLOT_BYTES ||
            owner_slot_get(bytes + i * OWNER_SLOT_BYTES, &slot) < 0) {
            tell(c, FINDING_OWNER_SLOT, name, i == 0 ? "slot 0" : "slot 1");
        }
    }
}

static int
check_owner_file(struct check *c, const char *name, bool newest)
{
    char path[STORE_PATH_CAP];
    struct owner_record old;
    uint8_t *bytes = io_alloc_blocks(OWNER_FILE_BYTES);
    size_t n;
    int rc = bytes != NULL ? store_path(path, c->path, name) : -ENOMEM;

    rc = rc < 0 ? rc : io_read_file(path, (char *)bytes, OWNER_FILE_BYTES, &n);
    if (rc == BH_ETOOBIG) { /* the buffer has what counts */
        n = OWNER_FILE_BYTES;
        rc = 0;
    }
    if (rc == 0 && newest) {
        check_newest_owner(c, name, bytes, n);
    } else if (rc == 0 && owner_file_parse(bytes, n, &old) < 0) {
        tell(c, FINDING_OWNER_OLD, name, "");
    }
    free(bytes);
    return rc == -ENOENT ? 0 : rc; /* a daemon runs, and has pruned it meanwhile */
}

/* ---- the directories */

static int
each_in_store(void *ctx, const char *name)
{
    static const char *const ours[] = { "LOCK", "STORE", "journal", "lost+found" };
    struct check *c = ctx;
    struct slice s = slice_of(name);
    uint64_t epoch;

    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (strcmp(name, ours[i]) == 0) {
            return 0;
        }
    }
    if (owner_file_name_parse(name, &epoch)) {
        return check_owner_file(c, name, epoch == c->epoch);
    }
    if (strcmp(name, "quarantine") == 0) {
        tell(c, FINDING_QUARANTINE, name, "");
    } else if (slice_starts(s, SLICE_LIT("reserve."))) {
        return 0; /* of the owner, or the next one's room */
    } else {
        tell(c, slice_iends(s, SLICE_LIT(".tmp")) ? FINDING_LEFTOVER : FINDING_UNKNOWN, name, "");
    }
    return 0;
}

static int
each_in_journal(void *ctx, const char *name)
{
    struct check *c = ctx;
    struct slice s = slice_of(name);
    char file[300];
    uint64_t seq;
    uint32_t epoch;

    if (!segment_name_parse(name, &seq, &epoch)) {
        (void)snprintf(file, sizeof(file), "journal/%s", name);
        tell(c,
            slice_starts(s, SLICE_LIT("new-")) || slice_starts(s, SLICE_LIT("spare-"))
                ? FINDING_LEFTOVER
                : FINDING_UNKNOWN,
            file, "");
    }
    return 0;
}

static int
check_files(struct check *c)
{
    char journal[STORE_PATH_CAP];
    int rc = owner_file_highest(c->path, &c->epoch);

    rc = rc < 0 ? rc : io_list(c->path, each_in_store, c);
    rc = rc < 0 ? rc : store_path(journal, c->path, "journal");
    return rc < 0 ? rc : io_list(journal, each_in_journal, c);
}

/* ---- the journal */

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    struct check *c = ctx;

    c->out->damaged += finding_is_damage(f->kind);
    if (c->each != NULL) {
        c->each(c->ctx, f);
    }
}

static int
check_journal(struct check *c, char *text, size_t cap)
{
    struct segtab segments;
    struct msgindex index;
    struct recovery r = {
        .store = c->path,
        .segment_bytes = c->head.segment_bytes,
        .sealed_lsn = c->last.state == OWNER_RELEASED ? c->last.sealed_lsn : 0,
        .segments = &segments,
        .index = &index,
        .finding = on_finding,
        .ctx = c,
    };
    int rc;

    segtab_init(&segments);
    msgindex_init(&index);
    memcpy(r.uuid, c->head.uuid, sizeof(r.uuid));
    rc = recover_run(&r);
    c->out->segments = segments.count;
    c->out->records = r.records;
    c->out->messages = index.messages;
    c->out->recipients = index.recipients;
    c->out->bytes = index.bytes;
    c->out->torn_bytes = r.torn_bytes;
    if (rc < 0) {
        (void)snprintf(text, cap, "%s", r.text);
    }
    recover_fini(&r);
    msgindex_fini(&index);
    segtab_fini(&segments);
    return rc;
}

int
queue_store_check(const char *path, struct queue_check *out, queue_finding_fn *each, void *ctx,
    char *text, size_t cap)
{
    struct check c = { .path = path, .out = out, .each = each, .ctx = ctx };
    int rc;

    *out = (struct queue_check){ 0 };
    text[0] = '\0';
    rc = check_head(&c, text, cap);
    if (rc < 0) {
        return rc;
    }
    rc = check_files(&c);
    if (rc < 0) {
        (void)snprintf(text, cap, "%s: %s. Check permissions and the disk", path, error_text(rc));
        return rc;
    }
    return check_journal(&c, text, cap);
}
