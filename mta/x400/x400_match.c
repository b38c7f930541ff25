#include "x400/x400_match.h"
#include <stdio.h>

const char *
x400_selector_text(struct slice octets, char out[X400_SELECTOR_TEXT_CAP])
{
    bool plain = octets.n > 0;
    size_t at = 2;

    for (size_t i = 0; i < octets.n; i++) {
        plain = plain && octets.p[i] >= ' ' && octets.p[i] <= '~' && octets.p[i] != '"';
    }
    if (octets.n == 0 || octets.n > TP0_SELECTOR_BYTES_MAX) {
        return octets.n == 0 ? "none" : "one that is too long";
    }
    if (plain) {
        (void)snprintf(out, X400_SELECTOR_TEXT_CAP, "\"%.*s\"", SLICE_FMT(octets));
        return out;
    }
    (void)snprintf(out, X400_SELECTOR_TEXT_CAP, "0x");
    for (size_t i = 0; i < octets.n; i++, at += 2) {
        (void)snprintf(
            out + at, X400_SELECTOR_TEXT_CAP - at, "%02X", (unsigned)(unsigned char)octets.p[i]);
    }
    return out;
}

const char *
x400_match_text(enum x400_match m)
{
    static const char *const texts[] = {
        [X400_MATCH_NO_T] = "the called T-selector is no connector's",
        [X400_MATCH_NO_S] = "the called S-selector is not the connector's",
        [X400_MATCH_NO_P] = "the called P-selector is not the connector's",
        [X400_MATCH_NO_NAME] = "the MTA name is not the connector's remote.mta",
        [X400_MATCH_NO_PASSWORD] = "the password is not that of the connector's remote side",
        [X400_MATCH_NO_PROTOCOL] = "the mode is not the connector's",
        [X400_MATCH_FOUND] = "found",
    };

    return (size_t)m < ARRAY_LEN(texts) ? texts[m] : "unknown";
}

static bool
is_selector(const struct x400_selector *s, struct slice octets)
{
    return slice_eq(x400_selector_slice(s), octets);
}

bool
x400_match_transport(const struct x400_expected *list, size_t count, struct slice called_t)
{
    for (size_t i = 0; i < count; i++) {
        if (is_selector(&list[i].called.t, called_t)) {
            return true;
        }
    }
    return false;
}

static enum x400_match
match_called(const struct x400_expected *e, const struct x400_arrival *a)
{
    bool normal = a->protocol == P1_1988_NORMAL;

    if (!is_selector(&e->called.t, a->called_t)) {
        return X400_MATCH_NO_T;
    }
    if ((normal || a->called_s.n > 0) && !is_selector(&e->called.s, a->called_s)) {
        return X400_MATCH_NO_S;
    }
    if (normal && !is_selector(&e->called.p, a->called_p)) {
        return X400_MATCH_NO_P;
    }
    return X400_MATCH_FOUND;
}

bool
x400_match_recovers(const struct x400_expected *e, const struct x400_arrival *a)
{
    return match_called(e, a) == X400_MATCH_FOUND && a->protocol == e->protocol;
}

/* How far it gets with this connector. */
static enum x400_match
match_one(const struct x400_expected *e, const struct x400_arrival *a)
{
    enum x400_match called = match_called(e, a);

    if (called != X400_MATCH_FOUND) {
        return called;
    }
    switch (p1_bind_match(a->bind, e->mta_name, e->password)) {
    case P1_MATCH_NULL:
    case P1_MATCH_NAME:
        return X400_MATCH_NO_NAME;
    case P1_MATCH_PASSWORD:
    case P1_MATCH_STRONG:
        return X400_MATCH_NO_PASSWORD;
    case P1_MATCH:
        break;
    }
    return a->protocol == e->protocol ? X400_MATCH_FOUND : X400_MATCH_NO_PROTOCOL;
}

enum x400_match
x400_match_find(
    const struct x400_expected *list, size_t count, const struct x400_arrival *a, size_t *which)
{
    enum x400_match best = X400_MATCH_NO_T;

    *which = count;
    for (size_t i = 0; i < count; i++) { /* all of them: where it is found takes no other time */
        enum x400_match m = match_one(&list[i], a);

        if (m > best) {
            best = m;
            *which = i;
        }
    }
    return best;
}

static bool
same_selector(const struct x400_selector *a, const struct x400_selector *b)
{
    return is_selector(a, x400_selector_slice(b));
}

bool
x400_match_ambiguous(const struct x400_expected *a, const struct x400_expected *b)
{
    bool one_normal = a->protocol == P1_1988_NORMAL || b->protocol == P1_1988_NORMAL;

    if (!same_selector(&a->called.t, &b->called.t) || !slice_eq(a->mta_name, b->mta_name) ||
        !slice_eq(a->password, b->password)) {
        return false;
    }
    /* The mode alone is no identity: a peer whose mode is set wrongly would come to the other. */
    return !one_normal ||
           (same_selector(&a->called.s, &b->called.s) && same_selector(&a->called.p, &b->called.p));
}
