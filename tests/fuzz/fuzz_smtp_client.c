/* links: core smtp */
#include "smtp/smtp_client.h"
#include <stdlib.h>

/* Whatever a peer answers, each recipient of each delivery gets exactly one result: from result()
 * or, when the session ends first, from why. Nothing counts as delivered before its dot was sent.
 *
 * Input: byte 0: LMTP (bit 0), recipients - 1 (bits 1-3), how replies are cut (bits 4-7: bytes lent
 * at a time, 0: all). The rest are the peer's bytes. */

#define RECIPIENTS_MAX 8
#define DELIVERIES_MAX 4

struct run {
    struct smtp_client c;
    struct slice recipients[RECIPIENTS_MAX];
    struct delivery d;
    unsigned results[RECIPIENTS_MAX], deliveries;
    bool under_way, dotted;
};

static void
on_result(void *ctx, uint32_t index, const struct transport_result *r)
{
    struct run *run = ctx;

    CHECK(run->under_way && index < run->d.recipient_count);
    CHECK(run->results[index] == 0);
    CHECK(r->status.n > 0 && r->kind <= OUTCOME_FAILED);
    CHECK(r->kind != OUTCOME_DELIVERED || run->dotted);
    CHECK(!r->in_doubt);
    run->results[index] = 1;
}

static void
delivery_over(struct run *run)
{
    CHECK(run->under_way);
    for (uint32_t i = 0; i < run->d.recipient_count; i++) {
        CHECK(run->results[i] == 1);
    }
    run->under_way = false;
}

static void
next(struct run *run)
{
    int rc;

    while (run->deliveries < DELIVERIES_MAX) {
        run->deliveries++;
        run->under_way = true;
        run->dotted = false;
        for (uint32_t i = 0; i < RECIPIENTS_MAX; i++) {
            run->results[i] = 0;
        }
        rc = smtp_client_deliver(&run->c, &run->d);
        CHECK(rc >= 0);
        if (rc == 0) {
            return;
        }
        delivery_over(run);
    }
}

static void
send_content(struct run *run)
{
    struct slice piece = SLICE_LIT("a\r\n.b\r\n");

    while (smtp_client_content(&run->c, &piece).n > 0) {
    }
    CHECK(smtp_client_dot(&run->c) == 0);
    smtp_client_sent(&run->c);
    run->dotted = true;
}

/* False: the session is over. */
static bool
feed(struct run *run, struct slice bytes)
{
    bool free_for_next = false;

    while (bytes.n > 0) {
        switch (smtp_client_input(&run->c, &bytes)) {
        case SMTP_CLIENT_WAIT:
        case SMTP_CLIENT_TRANSFER:
            break;
        case SMTP_CLIENT_DONE:
            delivery_over(run);
            free_for_next = true;
            break;
        case SMTP_CLIENT_OPENED:
            free_for_next = true;
            break;
        case SMTP_CLIENT_ENDED:
            CHECK(run->c.why.kind != OUTCOME_DELIVERED && run->c.why.status.n > 0);
            CHECK(!run->c.why.in_doubt || run->dotted);
            return false;
        }
    }
    if (free_for_next) {
        next(run);
    }
    if (run->c.state == SMTP_CLIENT_CONTENT) {
        send_content(run);
    }
    buf_clear(&run->c.out);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[RECIPIENTS_MAX] = { "a@x", "b@x", "c@x", "d@\r\n", "e@x", "f@x",
        "g@x", "h@x" };
    struct run run = { .under_way = false };
    struct slice rest = { (const char *)data, size };
    size_t cut;

    if (size < 1) {
        return 0;
    }
    for (size_t i = 0; i < RECIPIENTS_MAX; i++) {
        run.recipients[i] = slice_of(names[i]);
    }
    run.d = (struct delivery){ .sender = SLICE_LIT("s@x"),
        .size_bytes = 7,
        .recipient_count = 1 + (data[0] >> 1) % RECIPIENTS_MAX,
        .recipients = run.recipients,
        .transid = SLICE_LIT("<1.2@store>") };
    cut = data[0] >> 4;
    rest = slice_skip(rest, 1);
    cut = cut == 0 ? rest.n : cut;
    smtp_client_init(&run.c, "me", (data[0] & 1) != 0, on_result, &run);
    smtp_client_start(&run.c);
    while (rest.n > 0 && feed(&run, slice_sub(rest, 0, cut))) {
        rest = slice_skip(rest, cut);
    }
    if (run.c.state != SMTP_CLIENT_OVER) {
        smtp_client_lost(&run.c, 0, false);
        CHECK(run.c.why.kind == OUTCOME_DEFERRED);
        CHECK(!run.c.why.in_doubt || run.dotted);
    }
    smtp_client_fini(&run.c);
    return 0;
}
