/* x400/p1.h - what all of P1 (X.411, X.419) shares: which protocol an association speaks, and the
 * bounds. Pure. */
#ifndef X400_P1_H
#define X400_P1_H

#include "core/base.h"

enum p1_protocol {
    P1_1988_NORMAL, /* bind within ROS, APDUs within an EXTERNAL */
    P1_1988_X410,   /* neither */
    P1_1984
};

/* Upper bounds of X.411's annex, but where a reason is given. */
#define P1_MTA_NAME_BYTES_MAX   32
#define P1_PASSWORD_BYTES_MAX   64 /* 62; Exchange's property page takes 64 */
#define P1_LOCAL_ID_BYTES_MAX   32
#define P1_CONTENT_ID_BYTES_MAX 16
#define P1_DOMAIN_BYTES_MAX     16
#define P1_COUNTRY_BYTES_MAX    3
#define P1_TIME_BYTES_MAX       18 /* three digits of year, seconds, and an offset */
#define P1_RECIPIENTS_MAX       32767
#define P1_TRACE_MAX            512
#define P1_EXTENSIONS_MAX       512 /* in one list; X.411 (1999) has some fifty */
/* Of all recipients together: so that those that fill an envelope do not hold the loop. */
#define P1_EXTENSIONS_ALL_MAX (4 * P1_RECIPIENTS_MAX)
/* What an envelope may have at most: about 10,000 recipients of 200 octets. */
#define P1_ENVELOPE_BYTES_MAX (2 * MIB)

#endif
