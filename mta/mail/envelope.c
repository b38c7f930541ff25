#include "mail/envelope.h"

static const char *const names[] = {
    [ENVELOPE_BODY_7BIT] = "7BIT",
    [ENVELOPE_BODY_8BITMIME] = "8BITMIME",
    [ENVELOPE_P1_MESSAGE] = "P1-MESSAGE",
    [ENVELOPE_P1_PROBE] = "P1-PROBE",
    [ENVELOPE_P1_REPORT] = "P1-REPORT",
    [ENVELOPE_PART] = "PART",
};

const char *
envelope_body_name(uint8_t body)
{
    return body < ARRAY_LEN(names) ? names[body] : "";
}

enum envelope_body
envelope_body_of(struct slice name)
{
    for (unsigned i = 0; i < ENVELOPE_PART; i++) {
        if (slice_eq(name, slice_of(names[i]))) {
            return (enum envelope_body)i;
        }
    }
    return ENVELOPE_BODY_7BIT;
}
