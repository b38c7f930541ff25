/* x400/or_route.h - which connector a recipient's O/R address goes over: address spaces with a
 * cost, the most specific one, its alternates by cost. Pure.
 *
 * Match      Of all address spaces that match, the most specific one counts (or_address_weight),
 *            whatever the order of rows. Its rows, one for each connector, are the alternates of
 *            one another; a less specific space is another destination (a default that may lead
 *            back), never an alternate.
 * Alternates The cheapest row whose connector is up; of equal cost the first one given. None up:
 *            WAIT for the cheapest. A connector at its limit of associations is up, and the message
 *            waits there: being busy is no reason to send mail another way.
 * Bouncing   Two bridgeheads that are each other's alternate would send a message to and fro while
 *            the link behind both is down. Three rules, each of which ends that:
 *              R1  never back over the connector it came by;
 *              R2  never to an MTA whose name is in its trace, whatever connector leads there;
 *              R3  one that was rerouted OR_REROUTES_MAX times takes only the cheapest of the rows
 *                  that R1 and R2 leave: where MTA names were stripped from the trace on the way
 *                  (many do), it waits instead of wandering.
 *            Where R1 and R2 leave no row, everything that could take it had it: LOOP.
 */
#ifndef X400_OR_ROUTE_H
#define X400_OR_ROUTE_H

#include "x400/or_address.h"

/* Found by country, ADMD and PRMD; spaces that share those are looked through one by one, some ten
 * nanoseconds each. A space takes 2 KiB. */
#define OR_ROUTE_ROWS_MAX       4000
#define OR_ROUTE_CONNECTORS_MAX 1000
#define OR_ROUTE_COST_MAX       1000
#define OR_REROUTES_MAX         2 /* twice around a failure is help; more has been a storm */
#define OR_ROUTE_MTA_BYTES_MAX  32
#define OR_ROUTE_NO_CONNECTOR   UINT16_MAX

struct or_route_table;

int or_route_table_new(struct or_route_table **out) MUST_USE;
void or_route_table_free(struct or_route_table *t);
/* The MTA that a connector (the caller's number, below OR_ROUTE_CONNECTORS_MAX) leads to; for R2,
 * in any case of letters. Copied. BH_ETOOBIG. */
int or_route_connector(struct or_route_table *t, uint16_t connector, struct slice mta) MUST_USE;
/* An address space and its cost. BH_ETOOBIG: cost, connector or number of rows beyond the limit;
 * -EEXIST: this space over this connector is there already; *error tells. */
int or_route_add(struct or_route_table *t, const struct or_address *space, uint16_t connector,
    uint32_t cost, struct or_error *error) MUST_USE;

/* What stands for an MTA's name, in any case of letters, where names are too long to be kept. */
uint32_t or_route_mta_sum(struct slice mta);

struct or_route_query { /* all borrowed during the call */
    const struct or_address *to;
    uint16_t came_by;           /* connector; OR_ROUTE_NO_CONNECTOR: submitted here, or by SMTP */
    const struct slice *passed; /* MTA names of the trace and internal trace, ours among them */
    size_t passed_count;
    const uint32_t *passed_sums; /* the same by or_route_mta_sum */
    size_t passed_sum_count;
    unsigned reroutes; /* "rerouted" in its trace */
    const bool *up;    /* by connector; those beyond up_count are down */
    size_t up_count;
};

enum or_route_verdict {
    OR_ROUTE_GO,   /* over via, now */
    OR_ROUTE_WAIT, /* for via */
    OR_ROUTE_LOOP, /* non-delivery: loop detected */
    OR_ROUTE_NONE  /* non-delivery: unrecognised O/R name; no address space has it */
};

struct or_route {
    enum or_route_verdict verdict;
    uint16_t via;
    /* GO: the trace has to say "rerouted", and this connector is the one that is down.
     * OR_ROUTE_NO_CONNECTOR: not rerouted. */
    uint16_t instead_of;
    uint32_t cost;
};
struct or_route or_route_find(const struct or_route_table *t, const struct or_route_query *q);
/* All that R1 to R3 leave, the cheapest first, for a caller who knows himself which of them are up
 * (q->up does not count). GO: via[0] to via[*count - 1], at most cap; else LOOP or NONE. */
enum or_route_verdict or_route_list(const struct or_route_table *t, const struct or_route_query *q,
    uint16_t *via, size_t cap, size_t *count);

#endif
