/* tools/record_json.h - what a record of the journal says, for store dump. docs/formats/json.md.
 *
 * Trusts nothing but that the payload is in memory: what contradicts itself has a field "damage".
 */
#ifndef TOOLS_RECORD_JSON_H
#define TOOLS_RECORD_JSON_H

#include "queue/store_tools.h"
#include <jansson.h>

/* content: with the bytes of messages. NULL: out of memory. */
json_t *record_json(const struct store_record *r, bool content) MUST_USE;
const char *record_type_name(uint8_t type);

#endif
