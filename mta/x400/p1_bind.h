/* x400/p1_bind.h - the bind's argument, result and error (X.411 section 12.1). Pure.
 *
 * Mode      1988 normal mode wraps the value as ROS's bind does (invoke [16], result [17], error
 *           [18]); X.410 mode and 1984 have the bare value, and no error: RTORJ has a reason there.
 * Unbind    has no value at all: a release without user data.
 * Password  an IA5String or an OCTET STRING, whatever the protocol: the octets are compared.
 */
#ifndef X400_P1_BIND_H
#define X400_P1_BIND_H

#include "osi/ber.h"
#include "x400/p1.h"

enum p1_bind_kind { P1_BIND_ARGUMENT = 0, P1_BIND_RESULT = 1, P1_BIND_REFUSAL = 2 };
enum p1_bind_error {
    P1_BIND_BUSY = 0,
    P1_BIND_AUTHENTICATION = 2,
    P1_BIND_DIALOGUE = 3,
    P1_BIND_SECURITY = 4,
    P1_BIND_CONFIDENTIALITY = 5
};

struct p1_bind {
    enum p1_bind_kind kind;
    bool authenticated;              /* false: the NULL bind, without name and password */
    struct slice mta_name, password; /* in the input or in store: so don't copy the struct */
    bool password_is_octets;         /* else IA5String */
    bool strong;           /* no password, but strong or protected credentials: not checked here */
    bool security_context; /* one was given: not looked at */
    unsigned error;        /* REFUSAL: enum p1_bind_error, or what the peer says */
    char store[P1_MTA_NAME_BYTES_MAX + P1_PASSWORD_BYTES_MAX];
};

/* One value of that kind. BH_ESYNTAX, BH_ETOOBIG: *error tells. Unknown members are stepped over;
 * one that comes twice is refused. */
int p1_bind_read(struct slice value, enum p1_protocol p, enum p1_bind_kind kind,
    struct p1_bind *out, const char **error) MUST_USE;
/* Of b: kind, authenticated, mta_name, password, password_is_octets, error; within the bounds, and
 * a REFUSAL in normal mode only. */
int p1_bind_write(struct buf *out, enum p1_protocol p, const struct p1_bind *b) MUST_USE;
/* The same as refuseReason of RTORJ, and back. */
unsigned p1_bind_refuse_reason(enum p1_bind_error e);
enum p1_bind_error p1_bind_error_of(unsigned refuse_reason);
/* A few words for what a peer says; never NULL. */
const char *p1_bind_error_text(unsigned error);
/* The same as a sentence, with what it looked at of ours. */
const char *p1_bind_refused_text(unsigned error);

enum p1_bind_match {
    P1_MATCH,
    P1_MATCH_NULL,     /* no name and no password were given, and they are wanted */
    P1_MATCH_NAME,     /* the MTA name differs */
    P1_MATCH_PASSWORD, /* the name is right, the password differs */
    P1_MATCH_STRONG    /* the name is right, the credentials are no password */
};
/* Is it who it should be? Names by octets; with neither a name nor a password the NULL bind is. The
 * time taken does not tell how much of a password is right. */
enum p1_bind_match p1_bind_match(
    const struct p1_bind *b, struct slice mta_name, struct slice password);

#endif
