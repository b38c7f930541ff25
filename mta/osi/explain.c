/* explain.c - PDUs as one line of text. */
#include "osi/explain.h"

#include "osi/presentation_pdu.h"
#include "osi/rtse_apdu.h"
#include "osi/session_int.h"
#include <stdarg.h>
#include <stdio.h>

static void say(struct explained *x, const char *fmt, ...) PRINTF(2, 3);

static void
say(struct explained *x, const char *fmt, ...)
{
    size_t n = strlen(x->line);
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(x->line + n, sizeof(x->line) - n, fmt, args);
    va_end(args);
}

/* A peer's octets: as text if all are printable, else in hex; at most 32 of them. */
static void
say_octets(struct explained *x, const char *what, struct slice s)
{
    bool plain = true;

    if (s.n == 0) {
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        plain = plain && s.p[i] > ' ' && s.p[i] < 0x7F && s.p[i] != '"';
    }
    say(x, " %s ", what);
    if (plain) {
        say(x, "\"%.*s\"", (int)MIN(s.n, (size_t)32), s.p);
        return;
    }
    for (size_t i = 0; i < MIN(s.n, (size_t)32); i++) {
        say(x, "%02x", (uint8_t)s.p[i]);
    }
}

/* ---- transport */

static void
connect_params(struct slice rest, struct explained *x)
{
    while (rest.n >= 2) {
        uint8_t code = (uint8_t)rest.p[0];
        struct slice value = slice_sub(rest, 2, (uint8_t)rest.p[1]);

        rest = slice_skip(rest, 2 + value.n);
        if (code == 0xC1) {
            say_octets(x, "calling", value);
        } else if (code == 0xC2) {
            say_octets(x, "called", value);
        } else if (code == 0xC0 && value.n == 1 && value.p[0] >= 7 && value.p[0] <= 13) {
            say(x, " size %d", 1 << value.p[0]);
        }
    }
}

void
explain_tpdu(struct slice tpdu, struct explained *out)
{
    uint8_t code = tpdu.n > 1 ? (uint8_t)tpdu.p[1] & 0xF0 : 0;

    *out = (struct explained){ .kind = EXPLAIN_NONE };
    if ((code == 0xE0 || code == 0xD0) && tpdu.n >= 7) {
        say(out, "%s class %d", code == 0xE0 ? "CR" : "CC", (uint8_t)tpdu.p[6] >> 4);
        connect_params(slice_skip(tpdu, 7), out);
    } else if (code == 0x80 && tpdu.n >= 7) {
        say(out, "DR reason %d (%s)", (uint8_t)tpdu.p[6], tp0_reason_text((uint8_t)tpdu.p[6]));
    } else if (code == 0x70 && tpdu.n >= 5) {
        say(out, "ER cause %d", (uint8_t)tpdu.p[4]);
    } else {
        say(out, "no TPDU of class 0");
        say_octets(out, "octets", slice_sub(tpdu, 0, 8));
    }
}

/* ---- reliable transfer and association control */

static const char *
kind_name(enum rtse_apdu_kind kind)
{
    return kind == RTSE_RTORQ   ? "RTORQ"
           : kind == RTSE_RTOAC ? "RTOAC"
           : kind == RTSE_RTORJ ? "RTORJ"
                                : "RTAB";
}

static void
say_rtse(struct explain *e, struct slice value, enum rtse_apdu_kind kind, struct explained *x)
{
    static const enum explain_user users[] = { [RTSE_RTORQ - RTSE_RTORQ] = EXPLAIN_ARGUMENT,
        [RTSE_RTOAC - RTSE_RTORQ] = EXPLAIN_RESULT,
        [RTSE_RTORJ - RTSE_RTORQ] = EXPLAIN_REFUSAL };
    const char *error = NULL;
    struct rtse_apdu apdu;

    if (rtse_apdu_read(value, kind, e->mode, &apdu, &error) < 0) {
        say(x, "; %s unreadable (%s)", kind_name(kind), error);
        return;
    }
    say(x, "; %s", kind_name(kind));
    if (kind == RTSE_RTORQ || kind == RTSE_RTOAC) {
        say(x, " checkpoint %u window %u", apdu.checkpoint, apdu.window);
    }
    if (kind == RTSE_RTORQ) {
        say(x, " %s", apdu.dialogue == RTSE_TWA ? "two-way-alternate" : "monologue");
        if (e->mode == PRESENTATION_X410) {
            say(x, " protocol %u", apdu.protocol);
        }
    }
    if (kind == RTSE_RTAB || (kind == RTSE_RTORJ && e->mode == PRESENTATION_X410)) {
        say(x, " reason %u (%s)", apdu.reason,
            kind == RTSE_RTAB ? rtse_abort_text(apdu.reason) : rtse_refuse_text(apdu.reason));
    }
    if (apdu.recover) {
        say_octets(x, "recover", slice_skip(apdu.recovered.user, 2));
    }
    if (kind != RTSE_RTAB && apdu.user.n > 0) {
        x->kind = users[kind - RTSE_RTORQ];
        x->user = apdu.user;
    }
}

static void
say_acse(struct explain *e, struct slice value, enum rtse_apdu_kind kind, struct explained *x)
{
    static const char *const names[] = { "AARQ", "AARE", "RLRQ", "RLRE", "ABRT" };
    const char *error = NULL;
    struct acse_apdu apdu;

    if (e->mode == PRESENTATION_X410) {
        say_rtse(e, value, kind, x);
        return;
    }
    if (acse_read(value, &apdu, &error) < 0) {
        say(x, "; no APDU of association control (%s)", error);
        return;
    }
    say(x, "; %s", names[apdu.kind]);
    if (apdu.kind == ACSE_AARE) {
        say(x, " %s", apdu.result == ACSE_ACCEPTED ? "accepted" : "rejected");
    }
    if (apdu.user.n > 0) {
        say_rtse(e, apdu.user, kind, x);
    }
}

/* ---- presentation */

static const char *
syntax_name(struct slice syntax)
{
    struct presentation_context known[RTSE_CONTEXT_COUNT];
    static const char *const names[RTSE_CONTEXT_COUNT] = { "acse", "rtse", "mts" };

    rtse_contexts(known, true);
    for (size_t i = 0; i < RTSE_CONTEXT_COUNT; i++) {
        if (slice_eq(known[i].syntax, syntax)) {
            return names[i];
        }
    }
    return "other";
}

static void
say_contexts(const struct pdu *pdu, bool offer, struct explained *x)
{
    struct ber_cursor list;
    struct slice syntax;
    bool accepted, ber;
    uint32_t id;

    ber_cursor_init(&list, pdu->contexts);
    say(x, offer ? " contexts" : " results");
    while (offer && pdu_read_offer(&list, &id, &syntax, &ber) > 0) {
        say(x, " %u=%s%s", id, syntax_name(syntax), ber ? "" : "(not BER)");
    }
    while (!offer && pdu_read_result(&list, &accepted) > 0) {
        say(x, accepted ? " yes" : " no");
    }
}

static void
say_connect(struct explain *e, struct slice data, bool offer, struct explained *x)
{
    const char *error = NULL;
    struct pdu pdu;

    if (pdu_read_connect(data, &pdu, &error) < 0) {
        say(x, "; no presentation PDU (%s)", error);
        return;
    }
    e->mode = pdu.mode;
    say(x, "; %s %s", offer ? "CP" : "CPA", pdu.mode == PRESENTATION_NORMAL ? "normal" : "x410");
    if (pdu.mode == PRESENTATION_NORMAL) {
        say_octets(x, "calling", pdu.calling);
        say_octets(x, "called", pdu.called);
        say_octets(x, "responding", pdu.responding);
        say_contexts(&pdu, offer, x);
    }
    say_acse(e, pdu.user, offer ? RTSE_RTORQ : RTSE_RTOAC, x);
}

static void
say_refusal(struct explain *e, const struct spdu_params *p, struct explained *x)
{
    unsigned reason = p->reason.n > 0 ? (uint8_t)p->reason.p[0] : 0;
    const char *error = NULL;
    struct pdu pdu;

    say(x, " reason %u (%s)", reason, session_refuse_text(reason));
    if (p->reason.n < 2 || pdu_read_refusal(slice_skip(p->reason, 1), &pdu, &error) < 0) {
        return;
    }
    e->mode = pdu.mode;
    say(x, "; CPR");
    if (pdu.provider_reason >= 0) {
        say(x, " provider reason %d (%s)", pdu.provider_reason,
            presentation_refuse_text(pdu.provider_reason));
    } else if (pdu.user.n > 0) {
        say_acse(e, pdu.user, RTSE_RTORJ, x);
    }
}

/* User data of FINISH, DISCONNECT, ABORT and PLEASE TOKENS. */
static void
say_user(struct explain *e, struct slice data, struct explained *x)
{
    struct slice value;
    uint32_t context;

    if (data.n == 0 || e->mode == PRESENTATION_X410) {
        return;
    }
    if (pdu_read_user(data, &context, &value)) {
        if (value.n > 2 && value.p[0] == 0x02) {
            say(x, " priority %u", (uint8_t)value.p[value.n - 1]);
            return;
        }
        say_acse(e, value, RTSE_RTAB, x);
    } else if (data.p[0] == 0x30) {
        say(x, "; ARP");
    }
}

/* ---- session */

static const char *const spdu_names[SESSION_EVENT_COUNT] = {
    [SESSION_CN] = "CONNECT",
    [SESSION_AC] = "ACCEPT",
    [SESSION_RF] = "REFUSE",
    [SESSION_DT] = "DATA",
    [SESSION_MIP] = "MINOR SYNC POINT",
    [SESSION_MIA] = "MINOR SYNC ACK",
    [SESSION_AS] = "ACTIVITY START",
    [SESSION_AR] = "ACTIVITY RESUME",
    [SESSION_AE] = "ACTIVITY END",
    [SESSION_AEA] = "ACTIVITY END ACK",
    [SESSION_AI] = "ACTIVITY INTERRUPT",
    [SESSION_AIA] = "ACTIVITY INTERRUPT ACK",
    [SESSION_AD] = "ACTIVITY DISCARD",
    [SESSION_ADA] = "ACTIVITY DISCARD ACK",
    [SESSION_PT] = "PLEASE TOKENS",
    [SESSION_GTC] = "GIVE TOKENS CONFIRM",
    [SESSION_GTA] = "GIVE TOKENS ACK",
    [SESSION_ED] = "EXCEPTION DATA",
    [SESSION_ER] = "EXCEPTION REPORT",
    [SESSION_FN] = "FINISH",
    [SESSION_DN] = "DISCONNECT",
    [SESSION_AB] = "ABORT",
    [SESSION_AA] = "ABORT ACCEPT",
    [SESSION_BAD] = "an SPDU that reliable transfer does not have",
    [SESSION_LOST] = "",
};

static void
say_activity(const char *what, struct slice id, struct explained *x)
{
    struct ber_cursor c;
    struct ber_value v;
    uint64_t n;

    ber_cursor_init(&c, id);
    if (ber_take_tag(&c, BER_UNIVERSAL(BER_INTEGER), &v) > 0 &&
        ber_to_uint(&v, RTSE_ACTIVITY_MAX, &n) == 0) {
        say(x, " %s%u", what, (unsigned)n);
    } else {
        say_octets(x, what, id);
    }
}

static void
say_versions(const struct spdu_params *p, struct explained *x)
{
    uint32_t v = spdu_number(p->version, 1);

    say(x, " version %s", (v & 3) == 3 ? "1+2" : (v & 2) != 0 ? "2" : "1");
    say_octets(x, "calling", p->calling_selector);
    say_octets(x, "called", p->called_selector);
}

/* The octets of a segment, as far as they are in head. */
static void
say_data(struct explain *e, struct slice head, uint64_t total, struct explained *x)
{
    struct ber_reader r;
    struct ber_item item;
    struct slice rest = head;
    enum ber_event event = BER_OPEN;

    say(x, " %llu octets", (unsigned long long)total);
    x->first = e->begun;
    e->begun = false;
    x->kind = EXPLAIN_SEGMENT;
    x->user = head;
    if (e->mode == PRESENTATION_X410) {
        return;
    }
    ber_reader_init(&r, BER_BYTES_MAX);
    while (event == BER_OPEN || event == BER_BYTES) {
        event = ber_next(&r, &rest, &item);
        if (event == BER_BYTES && item.tag == BER_UNIVERSAL(BER_OCTET_STRING)) {
            x->user = item.bytes;
            say(x, "; RTTR");
            return;
        }
    }
    x->kind = EXPLAIN_NONE;
    say(x, "; no PDV-list with an RTTR");
}

static void
say_spdu(struct explain *e, enum session_event event, const struct spdu_params *p,
    const struct spdu_params *link, struct explained *x)
{
    uint32_t serial, how = spdu_number(p->disconnect, 0);

    say(x, "%s", spdu_names[event]);
    if (spdu_serial(p->serial, &serial)) {
        say(x, " %u", serial);
    }
    if (event == SESSION_CN || event == SESSION_AC) {
        say_versions(p, x);
        say_connect(e, p->user_data, event == SESSION_CN, x);
    } else if (event == SESSION_RF) {
        say_refusal(e, p, x);
    } else if (event == SESSION_AS || event == SESSION_AR) {
        e->begun = event == SESSION_AS;
        say_activity("", p->activity, x);
        if (event == SESSION_AR && spdu_serial(link->serial, &serial)) {
            say_activity("of ", link->activity, x);
            say(x, " at point %u", serial);
            say_octets(x, "begun in", slice_skip(link->calling_reference, 2));
        }
    } else if (event == SESSION_AI || event == SESSION_AD || event == SESSION_ED) {
        uint32_t reason = spdu_number(p->reason, SESSION_REASON_NONE);

        say(x, " reason %u (%s)", reason, session_reason_text(reason));
    } else if (event == SESSION_AB) {
        say(x, (how & 2) != 0 ? " by the user" : (how & 4) != 0 ? " protocol error" : "");
    }
    if (event == SESSION_FN || event == SESSION_DN || event == SESSION_AB || event == SESSION_PT) {
        say_user(e, p->user_data, x);
    }
}

void
explain_tsdu(struct explain *e, struct slice head, uint64_t total, struct explained *out)
{
    struct spdu_params p, link;
    const char *error = NULL;
    bool prefixed = false;
    uint64_t done = 0;
    size_t length, used;

    *out = (struct explained){ .kind = EXPLAIN_NONE };
    for (;;) {
        uint8_t si = head.n > 0 ? (uint8_t)head.p[0] : 0;
        bool tokens, prefix;
        enum session_event event;

        if (!spdu_length(head, &length, &used) || head.n < 1 + used + length ||
            !spdu_read(slice_sub(head, 1 + used, length), &p, &link, &error)) {
            say(out, total == 0 ? "an empty TSDU" : "no SPDU");
            say_octets(out, "octets", slice_sub(head, 0, 8));
            return;
        }
        head = slice_skip(head, 1 + used + length);
        done += 1 + used + length;
        tokens = spdu_number(p.token_item, 0) != 0;
        prefix = !prefixed && (si == SI_GT || si == SI_PT);
        if (prefix && !tokens && total > done) {
            prefixed = true;
            continue;
        }
        event = prefix ? (si == SI_PT && tokens ? SESSION_PT : SESSION_BAD)
                       : session_event_of(si, prefixed);
        say_spdu(e, event, &p, &link, out);
        if (event == SESSION_DT) {
            say_data(e, head, total - done, out);
        }
        return;
    }
}
