/* x400/p1_code.h - why a recipient did not get it: X.411's reason and diagnostic codes, the causes
 * that this house knows, and RFC 3463's status codes. Pure. One table, which docs/protocols/x400.md
 * shows. */
#ifndef X400_P1_CODE_H
#define X400_P1_CODE_H

#include "core/slice.h"

enum p1_cause {
    P1_CAUSE_UNKNOWN_NAME,    /* no address space, or nobody of that name */
    P1_CAUSE_AMBIGUOUS_NAME,  /* it names several */
    P1_CAUSE_CONGESTION,      /* no room, here or at the next hop */
    P1_CAUSE_LOOP,            /* it goes round (p1_loop.h), or every way leads back (or_route.h) */
    P1_CAUSE_UNAVAILABLE,     /* the recipient's mailbox takes none now */
    P1_CAUSE_EXPIRED,         /* its time limit, or the originator's latest delivery time */
    P1_CAUSE_EITS,            /* encoded information types that the next hop does not take */
    P1_CAUSE_TOO_LONG,        /* a content beyond a connector's size limit */
    P1_CAUSE_CONVERSION,      /* it would have to be converted, and none is done here */
    P1_CAUSE_NO_CONVERSION,   /* the originator forbids the conversion it would take */
    P1_CAUSE_ARGUMENTS,       /* an address or argument that the next hop refuses */
    P1_CAUSE_CONTENT_SYNTAX,  /* content that cannot be read as what it says it is */
    P1_CAUSE_SIZE,            /* some other bound */
    P1_CAUSE_PROTOCOL,        /* the next hop's protocol broke on it */
    P1_CAUSE_CONTENT_TYPE,    /* a content type that the next hop does not take */
    P1_CAUSE_RECIPIENTS,      /* more recipients than the next hop takes */
    P1_CAUSE_CRITICAL,        /* an extension that is critical and not known here */
    P1_CAUSE_LOSS,            /* a conversion with loss, which is forbidden */
    P1_CAUSE_NO_REASSIGNMENT, /* it would be redirected, which is forbidden */
    P1_CAUSE_NO_DL_EXPANSION, /* a distribution list, and expansion is forbidden */
    P1_CAUSE_DL_PERMISSION,   /* the list takes none from this originator */
    P1_CAUSE_RESTRICTED,      /* refused by the policy of whom it goes to */
    P1_CAUSE_SECURITY,        /* refused for security's sake */
    P1_CAUSE_DOWNGRADE,       /* a 1984 peer, and 1984 cannot express it */
    P1_CAUSE_ATTEMPTS,        /* tried as often as is allowed */
    P1_CAUSE_OTHER            /* anything else; an operator's removal too */
};
#define P1_CAUSE_COUNT   (P1_CAUSE_OTHER + 1)
#define P1_NO_DIAGNOSTIC UINT32_MAX

struct p1_code {
    uint32_t reason, diagnostic; /* or P1_NO_DIAGNOSTIC */
    const char *status;          /* RFC 3463 */
    const char *text;            /* supplementary information, a PrintableString */
};

const struct p1_code *p1_code(enum p1_cause cause);
/* The cause that an outcome of ours stands for: "5.1.1", whatever its class. */
enum p1_cause p1_code_cause(struct slice status);
/* What a report's codes are as a status; of unknown ones "5.0.0". Static storage. */
const char *p1_code_status(uint32_t reason, uint32_t diagnostic);
/* As X.411 spells them; "" if it has no such code. */
const char *p1_code_reason(uint32_t reason);
const char *p1_code_diagnostic(uint32_t diagnostic);

#endif
