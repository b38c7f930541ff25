#include "x400/x400_notice.h"
#include "core/map.h"
#include "x400/or_address_ber.h"
#include "x400/x400_judge.h"

#include <stdlib.h>

struct failed {
    struct map_node node;
    const struct x400_failure *failure;
};

static struct slice
failed_key(const struct map_node *n)
{
    return CONTAINER_OF(n, struct failed, node)->failure->address;
}

static struct p1_outcome
outcome_of(const struct x400_failure *f)
{
    const struct p1_code *code = p1_code(p1_code_cause(f->status));

    return (struct p1_outcome){ .is = P1_FAILED,
        .reason = code->reason,
        .diagnostic = code->diagnostic,
        .text = f->text.n > 0 ? f->text : slice_of(code->text) };
}

/* Whoever of ours has the address of a failure. */
static void
match(const struct p1_envelope *e, const struct map *by_address, struct p1_outcome *outcomes)
{
    struct or_address a;
    struct p1_recipient r;
    struct ber_cursor c;

    ber_cursor_init(&c, e->recipients);
    for (struct p1_outcome *o = outcomes; p1_recipient_next(&c, &r) > 0; o++) {
        char text[OR_ADDRESS_TEXT_BYTES_MAX];
        struct or_error error;
        struct map_node *n;

        if ((r.indicators & P1_RESPONSIBLE) == 0 || or_address_read(r.name, &a, &error) < 0 ||
            or_address_text(&a, OR_TEXT_SLASH, text, sizeof(text)) < 0) {
            continue;
        }
        n = map_find(by_address, slice_of(text), failed_key);
        if (n != NULL) {
            *o = outcome_of(CONTAINER_OF(n, struct failed, node)->failure);
        }
    }
}

static int
index_failures(const struct x400_notice *n, struct failed *failed, struct map *by_address)
{
    for (uint32_t i = 0; i < n->failure_count; i++) {
        int rc;

        failed[i].failure = &n->failures[i];
        rc = map_insert(by_address, &failed[i].node, failed_key);
        if (rc < 0 && rc != -EEXIST) {
            return rc;
        }
    }
    return 0;
}

static int
write_report(struct buf *out, const struct p1_envelope *e, const struct p1_outcome *outcomes,
    const struct x400_notice *n, uint64_t head_bytes)
{
    const uint64_t bytes = n->stored_bytes - head_bytes;
    struct p1_reporter by = { .domain = n->domain,
        .mta_name = n->mta_name,
        .local_id = n->local_id,
        .now_wall_ms = n->now_wall_ms,
        .arrival_wall_ms = n->arrival_wall_ms,
        .content = slice_skip(n->stored, (size_t)head_bytes) };

    by.return_content = bytes <= n->returned_bytes_max && by.content.n == bytes;
    return p1_report_write_fitting(out, e, outcomes, &by);
}

static int
report_on(
    struct buf *out, const struct p1_envelope *e, const struct x400_notice *n, uint64_t head_bytes)
{
    struct p1_outcome *outcomes = calloc(MAX(e->recipient_count, 1u), sizeof(*outcomes));
    struct failed *failed = calloc(MAX(n->failure_count, 1u), sizeof(*failed));
    struct map by_address;
    int rc = outcomes == NULL || failed == NULL ? -ENOMEM : 0;

    map_init(&by_address);
    rc = rc < 0 ? rc : index_failures(n, failed, &by_address);
    if (rc == 0) {
        match(e, &by_address, outcomes);
        rc = write_report(out, e, outcomes, n, head_bytes);
    }
    map_fini(&by_address);
    free(failed);
    free(outcomes);
    return rc;
}

uint64_t
x400_notice_bytes(struct slice start, uint64_t stored_bytes, uint64_t returned_bytes_max)
{
    enum p1_kind kind;
    uint64_t bytes;

    if (p1_stored_bytes(start, &kind, &bytes) < 0 || bytes > stored_bytes) {
        return 0;
    }
    return stored_bytes - bytes <= returned_bytes_max ? stored_bytes : bytes;
}

int
x400_notice_make(struct buf *out, char **to, const char **why, const struct x400_notice *n)
{
    struct or_address address;
    struct p1_envelope e;
    const char *error;
    enum p1_kind kind;
    uint64_t bytes, at;
    int rc = p1_stored_bytes(n->stored, &kind, &bytes);

    if (rc < 0 || bytes > n->stored.n || n->stored_bytes < n->stored.n ||
        p1_stored_read(n->stored, &e, &error, &at) < 0) {
        return BH_EDAMAGED;
    }
    *why = "there is no report on a report";
    if (kind == P1_REPORT) {
        return 0;
    }
    *why = "its originator's name has no address";
    *to = x400_judge_text(p1_report_destination(&e), &address);
    if (*to == NULL) {
        return 0;
    }
    *why = "the stored envelope does not name these recipients";
    rc = report_on(out, &e, n, bytes);
    if (rc <= 0) {
        free(*to);
        *to = NULL;
    }
    return rc;
}
