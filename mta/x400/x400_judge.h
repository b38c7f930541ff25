/* x400/x400_judge.h - an APDU that came, judged by its envelope: for whom we are responsible, who
 * of them has a way (p1_plan.h), and who is to hear that there is none. Pure (routes are asked by a
 * callback). What the plan has waiting, held or sent is the queue's alike: taken.
 */
#ifndef X400_X400_JUDGE_H
#define X400_X400_JUDGE_H

#include "mail/envelope.h"
#include "x400/p1_plan.h"
#include "x400/x400_life.h"

typedef struct or_route x400_judge_route_fn(
    void *ctx, const struct or_address *to, struct slice text, const struct p1_envelope *envelope);

struct x400_judge {
    const struct p1_domain *domain; /* ours */
    struct slice mta_name;
    uint64_t content_bytes;     /* declared, or BER_INDEFINITE */
    uint64_t message_bytes_max; /* of whom it came from; 0: no limit */
    uint64_t now_wall_ms;
    const struct p1_peer *peers; /* by the routes' connectors */
    size_t peer_count;
    x400_judge_route_fn *route;
    void *ctx;
};

struct x400_judged {
    /* Of all recipients, in their order: FAILED those of ours that nobody takes. Not of a report.
     */
    struct p1_outcome *outcomes;
    struct envelope_recipient *recipients; /* each address once, with its own text */
    uint32_t recipient_count;
    uint32_t ours, failed; /* recipients that we are responsible for; of them */
    uint64_t whom; /* a sum of their addresses, whatever becomes of them: of two copies of a message
                      it tells which is which */
    char *sender;  /* "" : it has no text */
    const char *why;       /* failed > 0: of the first; static */
    const char *rule;      /* the same, which of p1_plan_rule; NULL: none of them */
    struct x400_life life; /* by the connectors' times; of several the longest counts */
};
/* 0 or -ENOMEM; x400_judged_fini in any case. */
int x400_judge(
    struct x400_judged *out, const struct p1_envelope *e, const struct x400_judge *by) MUST_USE;
/* The content turned out too long: none is taken any more. */
void x400_judged_too_long(struct x400_judged *j, const struct p1_envelope *e);
void x400_judged_fini(struct x400_judged *j);

/* An O/R name's address as text, malloc'ed; NULL: it has none that can be somebody's, or no memory
 * (then too *address may have been written). */
char *x400_judge_text(struct slice name, struct or_address *address) MUST_USE;

#endif
