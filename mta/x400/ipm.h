/* x400/ipm.h - an interpersonal message (X.420) as the content of a P1 message, for `x400 send`:
 * one that any user agent since 1984 shows (content type 2, P2): a subject and a text. Pure. What
 * comes and goes is never read: content is opaque here. */
#ifndef X400_IPM_H
#define X400_IPM_H

#include "core/buf.h"

#define IPM_CONTENT_TYPE      2         /* P2 */
#define IPM_EIT_IA5           (1u << 2) /* X.411: ia5-text of the built-in types */
#define IPM_ID_BYTES_MAX      64        /* X.420's ub-local-ipm-identifier */
#define IPM_SUBJECT_BYTES_MAX 128       /* ub-subject-field */

struct ipm {
    struct slice id;      /* printable; 1 to IPM_ID_BYTES_MAX octets */
    struct slice subject; /* at most IPM_SUBJECT_BYTES_MAX; empty: none */
    struct slice text;
};

/* Subject and text are of IA5: no octet above 127. */
bool ipm_is_ia5(struct slice text);
/* Append it. 0, -ENOMEM, BH_ETOOBIG (of out). */
int ipm_write(struct buf *out, const struct ipm *m) MUST_USE;

#endif
