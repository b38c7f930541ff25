/* x400/or_address_ber.h - O/R addresses as X.411 encodes them. Pure.
 *
 * Read      what has a place in struct or_address; the rest (postal attributes, extended network
 *           address, universal forms, directory name) is stepped over: a relay sends on the octets
 *           that came. What is empty, or only blanks, counts as absent (the ADMD: as one blank).
 *           Where others put characters into a PrintableString that it lacks ("_" above all), the
 *           value is taken as the teletex form, if the attribute can have one: such mail is
 *           relayed, its address has a text, and two such addresses still compare.
 * Write     for addresses that come from text. All-digit countries are numeric; ADMD and PRMD are
 *           printable always, which compares the same.
 */
#ifndef X400_OR_ADDRESS_BER_H
#define X400_OR_ADDRESS_BER_H

#include "osi/ber.h"
#include "x400/or_address.h"

/* octets: an ORName or ORAddress, under whatever tag. BH_ESYNTAX, BH_ETOOBIG: *error tells. */
int or_address_read(struct slice octets, struct or_address *out, struct or_error *error) MUST_USE;
/* Append it with this tag (ORName: BER_APPLICATION(0)). For an address that or_address_check takes;
 * of another, what X.411 cannot express is cut off. -ENOMEM, BH_ETOOBIG: out's. */
int or_address_write(const struct or_address *a, ber_tag tag, struct buf *out) MUST_USE;

#endif
