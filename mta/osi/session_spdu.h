/* osi/session_spdu.h - SPDUs of X.225 section 8: parameters found, parameters written. Private to
 * session.c. Pure. */
#ifndef OSI_SESSION_SPDU_H
#define OSI_SESSION_SPDU_H

#include "osi/session.h"

#define SPDU_SMALL_BYTES_MAX 512 /* all parameters but user data */

enum spdu_pi {
    SPDU_CALLED_REFERENCE = 9,
    SPDU_CALLING_REFERENCE = 10,
    SPDU_COMMON_REFERENCE = 11,
    SPDU_ADDITIONAL_REFERENCE = 12,
    SPDU_TOKEN_ITEM = 16,
    SPDU_TRANSPORT_DISCONNECT = 17,
    SPDU_PROTOCOL_OPTIONS = 19,
    SPDU_REQUIREMENTS = 20,
    SPDU_VERSION = 22,
    SPDU_ENCLOSURE = 25,
    SPDU_TOKEN_SETTING = 26,
    SPDU_ACTIVITY_ID = 41,
    SPDU_SERIAL = 42,
    SPDU_REASON = 50,
    SPDU_CALLING_SELECTOR = 51,
    SPDU_CALLED_SELECTOR = 52,
    SPDU_USER_DATA = 193,
    SPDU_EXTENDED_USER_DATA = 194
};
enum spdu_pgi { SPDU_CONNECTION_ID = 1, SPDU_CONNECT_ITEM = 5, SPDU_LINKING = 33 };

/* What a parameter field holds, by PI; p NULL: absent. Those within a PGI are beside the others,
 * but those of the linking information (ACTIVITY RESUME), which have the same numbers, in link. */
struct spdu_params {
    struct slice calling_reference, called_reference, common_reference, additional_reference;
    struct slice token_item, disconnect, options, requirements, version, enclosure, token_setting;
    struct slice activity, serial, reason, calling_selector, called_selector, user_data;
    bool extended; /* user_data came as extended user data */
};

/* False: a length leads out of the field, or a parameter is beyond its limit: *error. */
bool spdu_read(
    struct slice field, struct spdu_params *params, struct spdu_params *link, const char **error);
/* An unsigned number of at most four octets; or def if absent. */
uint32_t spdu_number(struct slice value, uint32_t def);
/* A serial number, decimal digits. False: it is none. */
bool spdu_serial(struct slice value, uint32_t *out);

/* Length of an SPDU or parameter at octets[1...]: *used octets hold it (1 or 3); false: not there
 * yet. */
bool spdu_length(struct slice octets, size_t *length, size_t *used);

struct spdu_writer {
    char octets[SPDU_SMALL_BYTES_MAX];
    size_t n;
    size_t group; /* where the group under way has its length */
};

void spdu_put(struct spdu_writer *w, enum spdu_pi pi, struct slice value);
void spdu_put_octet(struct spdu_writer *w, enum spdu_pi pi, uint8_t value);
void spdu_put_serial(struct spdu_writer *w, uint32_t serial);
void spdu_begin(struct spdu_writer *w, enum spdu_pgi pgi);
void spdu_end(struct spdu_writer *w);
/* One TSDU: prefix (-1: none; else the SI of an empty category 0 SPDU), the SPDU with w's
 * parameters and user data under user_pi (empty: none). As tp0_send. */
int spdu_send(struct tp0 *t, int prefix, uint8_t si, const struct spdu_writer *w,
    enum spdu_pi user_pi, struct slice user_data) MUST_USE;

#endif
