/* support/p1_made.h - messages, probes and reports of our own making, for tests of what becomes of
 * them. */
#ifndef SUPPORT_P1_MADE_H
#define SUPPORT_P1_MADE_H

#include "x400/or_address_ber.h"
#include "x400/p1_make.h"
#include "x400/p1_report.h"
#include "x400/p1_stored.h"
#include <stdio.h>
#include <stdlib.h>

#define P1_NOW ((uint64_t)1795216724 * 1000) /* 261120231844Z */

static const struct p1_domain p1_ours = { { true, 2, "DE" }, { true, 1, " " }, { true, 2, "BH" } };

static inline struct or_address
p1_address(const char *text)
{
    struct or_address a;
    struct or_error error;

    CHECK(or_address_parse(slice_of(text), &a, &error) == 0);
    return a;
}

/* An envelope, and the octets it points into. */
struct p1_held {
    struct p1_envelope e;
    struct buf octets;
};

static inline void
p1_held_fini(struct p1_held *h)
{
    buf_fini(&h->octets);
}

/* What is in octets, which was written in the stored form. */
static inline void
p1_held_read(struct p1_held *h)
{
    const char *error = "";
    uint64_t at = 0;
    int rc = p1_stored_read(buf_slice(&h->octets), &h->e, &error, &at);

    if (rc < 0) {
        fprintf(stderr, "%s at %ju\n", error, (uintmax_t)at);
        abort();
    }
}

/* To as many recipients as there are addresses, by the same bits. m: what else is wanted. */
static inline void
p1_hold(struct p1_held *h, struct p1_made m, const char *const *to, uint32_t count, uint32_t bits)
{
    struct p1_made_recipient recipients[8];
    struct or_address addresses[8], from = p1_address("/C=DE/A= /P=BH/S=Meier/");

    CHECK(count <= ARRAY_LEN(recipients));
    for (uint32_t i = 0; i < count; i++) {
        addresses[i] = p1_address(to[i]);
        recipients[i] = (struct p1_made_recipient){ &addresses[i], bits };
    }
    m.domain = m.domain != NULL ? m.domain : &p1_ours;
    m.local_id = m.local_id.n > 0 ? m.local_id : (struct slice)SLICE_LIT("M-1");
    m.originator = &from;
    m.recipients = recipients;
    m.recipient_count = count;
    m.content_type = m.content_type != 0 ? m.content_type : 2;
    m.probe_bytes = m.probe_bytes != 0 ? m.probe_bytes : UINT64_MAX;
    buf_init(&h->octets, 2 * P1_ENVELOPE_BYTES_MAX);
    CHECK(p1_make(&h->octets, &m) == 0);
    p1_held_read(h);
}

/* The envelope again with these octets (members) behind its own. */
static inline void
p1_hold_more(struct p1_held *h, struct slice members)
{
    struct ber_writer w;
    struct buf out;

    buf_init(&out, 2 * P1_ENVELOPE_BYTES_MAX);
    ber_writer_init(&w, &out);
    ber_write_begin(&w, BER_CONTEXT(h->e.kind));
    ber_write_raw(&w, h->e.members);
    ber_write_raw(&w, members);
    ber_write_end(&w);
    CHECK(ber_write_finish(&w) == 0);
    buf_fini(&h->octets);
    h->octets = out;
    p1_held_read(h);
}

/* "/C=DE/A= /S=X/" of an O/R name; in turns one of four buffers. */
static inline const char *
p1_text_of(struct slice name)
{
    static char text[4][OR_ADDRESS_TEXT_BYTES_MAX];
    static unsigned which;
    struct or_address a;
    struct or_error error;

    which = (which + 1) % 4;
    CHECK(or_address_read(name, &a, &error) == 0);
    CHECK(or_address_text(&a, OR_TEXT_SLASH, text[which], sizeof(text[0])) >= 0);
    return text[which];
}

#endif
