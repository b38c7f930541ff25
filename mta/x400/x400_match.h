/* x400/x400_match.h - which connector an incoming association belongs to. Pure.
 *
 * By what it calls, then by who it says it is: called T-, S- and P-selector, MTA name, password,
 * and at last the protocol. Never by its address: peers call from any of theirs, through proxies,
 * and from either node of a cluster; and reverse DNS says nothing about an MTA. (What a connector
 * matched may be refused for its address, where the operator says so: x400_answer.c.)
 *
 * Selectors are compared by octets, with empty the same as absent: a connector without a selector
 *           is for peers that send none. There is no "any": one connector too many would answer.
 * X.410     mode and 1984 have no P-selector, and old peers send no S-selector (Red Book X.410);
 *           one that is sent has to be right.
 * Calling   selectors are not looked at: PP sends none, others send what they like.
 * Name      a connector that has neither name nor password takes the NULL bind and nothing else;
 *           with a name and no password, a peer that sends an empty one.
 * Password  compared in a time that does not tell how much of it is right. Whoever has a wrong name
 *           is not told so: the peer hears "authentication" for both, only our event tells them
 *           apart.
 * Mismatch  is told as far as the nearest connector got, so that "the password is not that of
 *           paris" can be said on the answering side too.
 */
#ifndef X400_X400_MATCH_H
#define X400_X400_MATCH_H

#include "osi/presentation.h"
#include "x400/p1_bind.h"

struct x400_selector {
    uint8_t n; /* 0: none */
    char octets[TP0_SELECTOR_BYTES_MAX];
};
struct x400_selectors {
    struct x400_selector t, s, p;
};
static inline struct slice
x400_selector_slice(const struct x400_selector *s)
{
    return (struct slice){ s->octets, s->n };
}
/* For people: "par1" where all octets are printable, else 0x00FF; "none". */
#define X400_SELECTOR_TEXT_CAP (2 * TP0_SELECTOR_BYTES_MAX + 3)
const char *x400_selector_text(struct slice octets, char out[X400_SELECTOR_TEXT_CAP]);

/* What an association of a connector has to bring. */
struct x400_expected {
    struct x400_selectors called;    /* our own */
    struct slice mta_name, password; /* the peer's */
    enum p1_protocol protocol;
};

struct x400_arrival {
    struct slice called_t, called_s, called_p;
    enum p1_protocol protocol; /* by presentation mode and application protocol */
    const struct p1_bind *bind;
};

/* In the order in which they are looked at. */
enum x400_match {
    X400_MATCH_NO_T,        /* no connector has this called T-selector: DR 3 */
    X400_MATCH_NO_S,        /* one has it, but not with this S-selector */
    X400_MATCH_NO_P,        /* ... nor with this P-selector */
    X400_MATCH_NO_NAME,     /* nor this name; or NULL where a name is wanted, or the reverse */
    X400_MATCH_NO_PASSWORD, /* the password, or credentials that are none */
    X400_MATCH_NO_PROTOCOL, /* all is right but the mode */
    X400_MATCH_FOUND
};
/* "the called T-selector is no connector's": for the event. */
const char *x400_match_text(enum x400_match m);

/* At the CR, before there is more: does any connector have this called T-selector? */
bool x400_match_transport(const struct x400_expected *list, size_t count, struct slice called_t);
/* FOUND: *which is the connector. Else the first one that got so far (of NO_T: count). */
enum x400_match x400_match_find(
    const struct x400_expected *list, size_t count, const struct x400_arrival *a, size_t *which);
/* All but name and password, which an association that recovers another does not bring. */
bool x400_match_recovers(const struct x400_expected *e, const struct x400_arrival *a);
/* Is there an association that both would take? Such a pair is refused by the configuration, so
 * that at most one is FOUND. */
bool x400_match_ambiguous(const struct x400_expected *a, const struct x400_expected *b);

#endif
