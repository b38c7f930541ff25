/* osi/rtse_apdu.h - RTSE's APDUs that do not stream (X.228 section 9), read and written. Private to
 * rtse.c. Pure. */
#ifndef OSI_RTSE_APDU_H
#define OSI_RTSE_APDU_H

#include "osi/rtse.h"

enum rtse_apdu_kind { RTSE_RTORQ = 16, RTSE_RTOAC = 17, RTSE_RTORJ = 18, RTSE_RTAB = 22 };

struct rtse_apdu {
    enum rtse_apdu_kind kind;
    uint32_t checkpoint, window, dialogue, protocol; /* RTORQ, RTOAC: defaults where absent */
    unsigned reason;                                 /* RTORJ, RTAB */
    bool recover;
    struct session_reference recovered;
    struct slice user; /* one value; empty: none */
};

/* bytes: the APDU (normal mode) or its members (X.410 mode). 0; BH_ESYNTAX: *error. */
int rtse_apdu_read(struct slice bytes, enum rtse_apdu_kind kind, enum presentation_mode mode,
    struct rtse_apdu *out, const char **error) MUST_USE;
int rtse_apdu_write(
    struct buf *out, const struct rtse_apdu *apdu, enum presentation_mode mode) MUST_USE;

#endif
