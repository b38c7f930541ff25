/* x400/p1_1984.h - an envelope as a peer of 1984 is to get it (X.419's annex on interworking, RFC
 * 1328). Pure. What comes from such a peer needs nothing: its envelopes are read as all others.
 *
 * Left out  extensions (internal trace and histories among them), directory names, encoded
 *           information types named by object identifiers ("undefined" is said instead), other
 *           actions of trace elements, bilateral information for private domains, indicators that
 *           1984 reserves; of reports also content type, encoded information types, and diagnostics
 *           above 11.
 * Retold    conversion-with-loss-prohibited as conversion prohibited; a common name as the domain-
 *           defined attribute "common"; reasons above 2 as unable to transfer, types of user above
 *           1 as private.
 * Cannot    what would not be the same message any more: an extension critical for transfer or for
 *           delivery; a content type of 1988 (22: X.420 has it used only where the content needs
 *           1988) or an object identifier; a name with an attribute that 1984 lacks and no
 *           printable form beside it. Non-delivery: unable to downgrade.
 */
#ifndef X400_P1_1984_H
#define X400_P1_1984_H

#include "x400/p1_report.h"

/* What 1984 bounds more tightly. */
#define P1_1984_SUPPLEMENTARY_BYTES_MAX 64
#define P1_1984_DDAS_MAX                4

struct p1_1984 {
    bool relabel; /* say 2 of a content of type 22: for peers whose users always say 22 */
};

/* Whether it can be told at all, and for whom; *why: a sentence, if not. Of reports the recipients
 * are no matter: a name in it that cannot be told is told as far as it can. */
bool p1_1984_fits(const struct p1_envelope *e, const struct p1_1984 *how, const char **why);
bool p1_1984_recipient_fits(const struct p1_recipient *r, const char **why);

/* Append the envelope in the stored form (p1_stored.h), for p1_head_write. responsible: as in
 * struct p1_relay; recipients that cannot be told are left out, so nobody may be responsible for
 * them. -ENOMEM, BH_ETOOBIG: of out; BH_ESYNTAX: it does not fit, or no recipient is left. */
int p1_1984_write(struct buf *out, const struct p1_envelope *e, const struct p1_1984 *how,
    const uint8_t *responsible) MUST_USE;

#endif
