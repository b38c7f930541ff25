/* links: core mail smtp */
#include "core/buf.h"
#include "smtp/smtp_server.h"

/* The first byte says how long the pieces are and what intake answers; the rest is what a client
 * sends. However it is cut, the same replies go out and the same messages are committed; every
 * reply is a reply, nothing is read while an answer is awaited, and there is one acknowledgement
 * for each commit and for nothing else. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rig {
    struct smtp_server s;
    struct buf replies, committed;
    size_t content_from; /* of the message begun, in committed */
    uint8_t mood;
    unsigned commits;
    bool open, closed;
};

static void
reply(struct rig *r, struct slice text)
{
    CHECK(text.n == 0 || (text.n > 6 && slice_iends(text, SLICE_LIT("\r\n"))));
    CHECK(buf_append(&r->replies, text) == 0);
}

static struct smtp_server_action
commit(struct rig *r)
{
    static const int answers[] = { 0, 0, 0, -ENOSPC, -EINVAL, -EIO, BH_ESTATE, BH_EFENCED };
    int rc = answers[r->mood >> 5];
    struct envelope e;

    CHECK(r->open && smtp_server_waits(&r->s));
    r->open = false;
    smtp_server_envelope(&r->s, &e);
    CHECK(e.recipient_count > 0 && e.recipient_count <= 3);
    for (uint32_t i = 0; i < e.recipient_count; i++) {
        CHECK(buf_append(&r->committed, e.recipients[i].address) == 0);
    }
    r->commits += rc == 0;
    return smtp_server_committed(&r->s, rc, 1);
}

static struct smtp_server_action
answer(struct rig *r, struct smtp_server_action a)
{
    struct smtp_server_action nothing = { .act = SMTP_SERVER_DO_NOTHING };
    static const struct intake_known before = { 7, 12345 };
    struct intake_verdict v = { 250, "2.1.5", "OK" };
    bool known;

    switch (a.act) {
    case SMTP_SERVER_DO_CLOSE:
        r->closed = true;
        reply(r, a.reply);
        return nothing;
    case SMTP_SERVER_DO_REPLY:
        reply(r, a.reply);
        return nothing;
    case SMTP_SERVER_DO_ASK_SENDER:
        CHECK(!r->open);
        known = slice_iends(r->s.transaction->transid, SLICE_LIT("known>")); /* by its end */
        return smtp_server_sender(&r->s, 0, known ? &before : NULL);
    case SMTP_SERVER_DO_ASK_RECIPIENT:
        CHECK(r->s.transaction->asked.address.n > 0);
        if (r->s.transaction->asked.address.p[0] == 'x') {
            v = (struct intake_verdict){ 550, "5.7.1", "no" };
        }
        return smtp_server_recipient(&r->s, &v);
    case SMTP_SERVER_DO_OPEN:
        CHECK(!r->s.transaction->known); /* it is here already */
        r->open = true;
        r->content_from = buf_len(&r->committed);
        return smtp_server_opened(&r->s, 0);
    case SMTP_SERVER_DO_WRITE:
        CHECK(r->open && a.content.n > 0);
        CHECK(buf_append(&r->committed, a.content) == 0);
        return nothing;
    case SMTP_SERVER_DO_DROP:
        CHECK(r->open);
        r->open = false;
        r->committed.tail = r->committed.head + r->content_from;
        return nothing;
    case SMTP_SERVER_DO_COMMIT:
        return commit(r);
    case SMTP_SERVER_DO_NOTHING:
        break;
    }
    return nothing;
}

static const struct netaddr client = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } };

static void
run(struct rig *r, struct smtp_server_shared *shared, struct slice all, size_t piece)
{
    struct buf left;

    smtp_server_init(&r->s, shared);
    r->s.checkpoint = &client;
    buf_init(&r->replies, 64 * MIB);
    buf_init(&r->committed, 64 * MIB);
    buf_init(&left, 64 * MIB);
    r->open = r->closed = false;
    r->commits = 0;
    for (size_t at = 0; at < all.n && !r->closed; at += piece) {
        struct smtp_server_action a;
        struct slice bytes;

        CHECK(buf_append(&left, slice_sub(all, at, piece)) == 0);
        bytes = buf_slice(&left);
        do {
            a = smtp_server_input(&r->s, &bytes);
            for (struct smtp_server_action b = a; b.act != SMTP_SERVER_DO_NOTHING;) {
                b = answer(r, b);
            }
        } while (a.act != SMTP_SERVER_DO_NOTHING && !r->closed);
        CHECK(r->closed || bytes.n <= SMTP_GRAMMAR_LINE_BYTES_MAX);
        buf_consume(&left, buf_len(&left) - bytes.n);
    }
    buf_fini(&left);
    if (r->open) { /* an unfinished message: how much of it came depends on the cut */
        r->committed.tail = r->committed.head + r->content_from;
    }
    smtp_server_fini(&r->s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data + 1, size - 1 };
    struct smtp_server_shared shared;
    struct rig whole, cut;
    unsigned acks = 0;

    if (size < 2) {
        return 0;
    }
    smtp_server_shared_init(&shared);
    CHECK(smtp_server_shared_set(&shared, "mx.test", 300, 3, 5) == 0);
    whole.mood = cut.mood = data[0];
    run(&whole, &shared, all, all.n);
    run(&cut, &shared, all, data[0] % 16 + 1u);
    CHECK(whole.closed == cut.closed && whole.commits == cut.commits);
    CHECK(slice_eq(buf_slice(&whole.replies), buf_slice(&cut.replies)));
    CHECK(slice_eq(buf_slice(&whole.committed), buf_slice(&cut.committed)));
    for (struct slice rest = buf_slice(&whole.replies), line; slice_next(&rest, '\n', &line);) {
        acks += slice_starts(line, SLICE_LIT("250 2.0.0 Queued as "));
    }
    CHECK(acks == whole.commits);
    buf_fini(&whole.replies);
    buf_fini(&whole.committed);
    buf_fini(&cut.replies);
    buf_fini(&cut.committed);
    smtp_server_shared_fini(&shared);
    return 0;
}
