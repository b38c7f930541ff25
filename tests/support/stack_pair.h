/* support/stack_pair.h - two whole stacks back to back: sides that answer by themselves and note
 * what they are told, octets carried to and fro in pieces of any size, lent memory that goes away.
 */
#ifndef SUPPORT_STACK_PAIR_H
#define SUPPORT_STACK_PAIR_H

#include "osi/stack.h"

#include "octets.h"

#define L(s) ((struct slice)SLICE_LIT(s))

/* ---- a side that answers by itself, and what it was told */

struct side {
    struct stack k;
    char told[2048];
    struct buf octets;
    struct rtse_ind last;
    struct stack_end end;
    char bind[64], called[40];
    bool deaf;  /* does not answer */
    bool holds; /* does not secure */
    bool in_doubt;
    const struct rtse_open *opens; /* after the CC */
    uint32_t reports_at;           /* a point; or octets, if it is above 1000 */
    uint64_t fed;
    uint64_t split_at; /* of all octets fed: one more cut */
    size_t piece;      /* fed in pieces of this size */
    bool ended;
};

static inline void
side_init(struct side *x, bool initiator)
{
    memset(x, 0, sizeof(*x));
    stack_init(&x->k, 1, initiator);
    buf_init(&x->octets, 4 << 20);
    x->piece = SIZE_MAX;
}

static inline void
side_fini(struct side *x)
{
    stack_fini(&x->k);
    buf_fini(&x->octets);
}

static inline int
answer(struct side *x, enum rtse_ind_kind kind)
{
    struct rtse_open o = x->last.open;

    if (kind == RTSE_IND_OPEN) {
        o.user = L("\x04\x02"
                   "ok");
        o.called_s = o.called_p = o.calling_p = SLICE_NONE;
        return rtse_accept(&x->k.rtse, &o);
    }
    if (x->reports_at > 0 && kind == (x->reports_at > 1000 ? RTSE_IND_OCTETS : RTSE_IND_POINT) &&
        (x->reports_at > 1000 || x->last.point == x->reports_at)) {
        return stack_report(&x->k, x->k.rtse.self.activity, SESSION_REASON_LOCAL);
    }
    if ((kind == RTSE_IND_POINT || kind == RTSE_IND_END) && !x->holds) {
        return stack_secured(&x->k, x->last.activity, x->last.point);
    }
    if (kind == RTSE_IND_PLEASE && x->k.rtse.state == RTSE_TURN) {
        return rtse_give(&x->k.rtse);
    }
    return 0;
}

static inline void
word(struct side *x, const char *w)
{
    strncat(x->told, w, sizeof(x->told) - strlen(x->told) - 1);
}

static inline void
hear_rtse(struct side *x, enum rtse_ind_kind kind)
{
    static const char *const words[] = { "", "open ", "opened ", "refused ", "begin ", "resume ",
        "", "point ", "end ", "stopped ", "confirmed ", "sent ", "failed ", "please ", "turn ",
        "gave ", "closed ", "abort " };

    word(x, words[kind]);
    if (kind == RTSE_IND_OCTETS) {
        CHECK(buf_append(&x->octets, x->last.bytes) == 0);
    } else if (kind == RTSE_IND_OPEN || kind == RTSE_IND_OPENED) {
        (void)!slice_copy(slice_sub(x->last.open.user, 0, 60), x->bind, sizeof(x->bind));
    }
    if (!x->deaf) {
        CHECK(answer(x, kind) == 0);
    }
}

static inline void
hear(struct side *x, enum stack_ind_kind kind, const struct stack_ind *ind)
{
    if (kind == STACK_RTSE) {
        x->last = ind->rtse;
        x->in_doubt = ind->in_doubt;
        hear_rtse(x, ind->rtse_kind);
    } else if (kind == STACK_CALLED) {
        word(x, "called ");
        (void)!slice_copy(slice_sub(ind->called, 0, 39), x->called, sizeof(x->called));
        CHECK(x->deaf || stack_answer(&x->k, 2048) == 0);
    } else if (kind == STACK_CONNECTED) {
        word(x, "connected ");
        CHECK(x->opens == NULL || stack_open(&x->k, x->opens) == 0);
    } else {
        CHECK(kind == STACK_ENDED && !x->ended && ind->end.text != NULL);
        word(x, "ended ");
        x->ended = true;
        x->end = ind->end;
        (void)!slice_copy(slice_sub(x->end.user, 0, 60), x->bind, sizeof(x->bind));
    }
}

static inline void
go_on(struct side *x)
{
    struct stack_ind ind;
    enum stack_ind_kind kind;

    for (kind = stack_next(&x->k, &ind); kind != STACK_MORE; kind = stack_next(&x->k, &ind)) {
        hear(x, kind, &ind);
    }
}

/* Lent memory that is gone afterwards. */
static inline void
feed_piece(struct side *x, struct slice bytes)
{
    char *lent = malloc(bytes.n);

    CHECK(lent != NULL);
    memcpy(lent, bytes.p, bytes.n);
    stack_feed(&x->k, (struct slice){ lent, bytes.n });
    go_on(x);
    CHECK(stack_keep(&x->k) == 0);
    memset(lent, 0xAA, bytes.n);
    free(lent);
    x->fed += bytes.n;
}

/* What the side took; less than all where it waits. */
static inline size_t
feed(struct side *x, struct slice bytes)
{
    size_t taken = 0;

    while (taken < bytes.n && stack_hungry(&x->k)) {
        size_t n = MIN(x->piece, bytes.n - taken);

        if (x->fed < x->split_at && x->fed + n > x->split_at) {
            n = (size_t)(x->split_at - x->fed);
        }
        feed_piece(x, slice_sub(bytes, taken, n));
        taken += n;
    }
    return taken;
}

struct pair {
    struct side a, b;
};

static inline bool
exchange(struct pair *p)
{
    bool moved = false;

    for (unsigned i = 0; i < 2; i++) {
        struct side *from = i == 0 ? &p->a : &p->b, *to = i == 0 ? &p->b : &p->a;
        struct slice out = stack_out(&from->k);
        size_t n = out.n > 0 ? feed(to, out) : 0;

        stack_sent(&from->k, n);
        moved = moved || n > 0;
    }
    return moved;
}

static inline void
settle(struct pair *p)
{
    while (exchange(p)) {
    }
}

static char text[1 << 20];

static inline void
fill_text(void)
{
    for (size_t i = text[1] == 0 ? 0 : sizeof(text); i < sizeof(text); i++) { /* once */
        text[i] = (char)(i * 2654435761u >> 13);
    }
}

static inline void
pair_init(struct pair *p, const struct rtse_open *o)
{
    side_init(&p->a, true);
    side_init(&p->b, false);
    p->a.opens = o;
    fill_text();
}

static inline void
pair_open(struct pair *p)
{
    CHECK(stack_connect(&p->a.k, L("here"), L("there"), 2048) == 0);
    settle(p);
}

static inline void
pair_fini(struct pair *p)
{
    side_fini(&p->a);
    side_fini(&p->b);
}

/* ---- what is said */

enum protocol { NORMAL_1988, X410_1988, X410_1984, PROTOCOLS };

static inline struct rtse_open
offer(enum protocol protocol)
{
    return (struct rtse_open){ .mode = protocol == NORMAL_1988 ? PRESENTATION_NORMAL
                                                               : PRESENTATION_X410,
        .checkpoint = 1,
        .window = 3,
        .application_protocol = protocol == X410_1984 ? 1 : 12,
        .initiator_has_turn = true,
        .reference = { L("\x04\x02"
                         "AB"),
            L("\x17\x0d"
              "261120231844Z"),
            SLICE_NONE },
        .user = L("\x04\x04"
                  "bind") };
}

/* Write until end as the other side answers. False: it stands still. */
static inline bool
write_to(struct pair *p, struct side *from, size_t end)
{
    struct rtse *r = &from->k.rtse;

    while (r->done_bytes < end && r->state == RTSE_SEND) {
        size_t room = rtse_room(r), at = (size_t)r->done_bytes;

        if (room > 0) {
            room = MIN(MIN(room, end - at), 1 + at % 5000);
            CHECK(rtse_write(r, (struct slice){ text + at, room }) == 0);
        } else if (!exchange(p)) {
            return false;
        }
    }
    settle(p);
    return true;
}

static inline void
transfer(struct pair *p, struct side *from, size_t n)
{
    CHECK(rtse_transfer(&from->k.rtse, n) == 0);
    (void)write_to(p, from, n);
}

#endif
