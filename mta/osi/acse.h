/* osi/acse.h - association control (X.227), kernel: the five APDUs, read and written. Pure; normal
 * mode only (X.410-1984 has none).
 *
 * It has no state table: each APDU travels with the one session service that it belongs to (AARQ
 * with CONNECT, AARE with ACCEPT or REFUSE, RLRQ and RLRE with FINISH and DISCONNECT, ABRT with
 * ABORT), and whether that may come is the session's and the RTSE's table. An APDU in another's
 * place is BH_ESYNTAX.
 */
#ifndef OSI_ACSE_H
#define OSI_ACSE_H

#include "osi/ber.h"

#define ACSE_OID_BYTES_MAX 16 /* application context names; longer: unknown */

enum acse_kind { ACSE_AARQ = 0, ACSE_AARE = 1, ACSE_RLRQ = 2, ACSE_RLRE = 3, ACSE_ABRT = 4 };
enum acse_result { ACSE_ACCEPTED = 0, ACSE_REJECTED = 1, ACSE_REJECTED_TRANSIENT = 2 };
enum { /* diagnostics of the service user (X.227 9.1.2) */
    ACSE_DIAG_NULL = 0,
    ACSE_DIAG_NONE = 1,
    ACSE_DIAG_CONTEXT = 2, /* the application context is not supported */
    ACSE_DIAG_CALLED_AP = 7
};

struct acse_apdu {
    enum acse_kind kind;
    struct slice context;   /* AARQ, AARE: an OID's contents */
    struct slice called_ap; /* raw, whatever form; empty: not given. Not required of anybody */
    uint8_t result;         /* AARE */
    bool by_provider;       /* AARE: result-source; ABRT: abort-source */
    uint32_t diagnostic;    /* AARE */
    uint32_t user_context;  /* user information: EXTERNAL's indirect reference; 0: none */
    struct slice user;      /* one value, whole; empty: none */
};

/* One APDU. Values point into bytes. BH_ESYNTAX, BH_ETOOBIG: *error tells. Unknown members are
 * stepped over (X.227 7.4); user information in more than one EXTERNAL: the first. */
int acse_read(struct slice bytes, struct acse_apdu *out, const char **error) MUST_USE;
/* To out, DER-like: version and other defaults left out, as ISODE and Exchange do. */
int acse_write(struct buf *out, const struct acse_apdu *apdu) MUST_USE;

#endif
