#include "osi/session_spdu.h"

#include <stdio.h>

bool
spdu_length(struct slice octets, size_t *length, size_t *used)
{
    if (octets.n < 2) {
        return false;
    }
    *length = (uint8_t)octets.p[1];
    *used = 1;
    if (*length < 255) {
        return true;
    }
    if (octets.n < 4) {
        return false;
    }
    *length = (size_t)(uint8_t)octets.p[2] << 8 | (uint8_t)octets.p[3];
    *used = 3;
    return true;
}

/* ---- reading */

static const struct known {
    uint8_t pi;
    uint16_t offset;
    uint16_t bytes_max;
} known[] = {
    { SPDU_CALLING_REFERENCE, offsetof(struct spdu_params, calling_reference),
        SESSION_REFERENCE_BYTES_MAX },
    { SPDU_CALLED_REFERENCE, offsetof(struct spdu_params, called_reference),
        SESSION_REFERENCE_BYTES_MAX },
    { SPDU_COMMON_REFERENCE, offsetof(struct spdu_params, common_reference),
        SESSION_REFERENCE_BYTES_MAX },
    { SPDU_ADDITIONAL_REFERENCE, offsetof(struct spdu_params, additional_reference),
        SESSION_ADDITIONAL_BYTES_MAX },
    { SPDU_TOKEN_ITEM, offsetof(struct spdu_params, token_item), 1 },
    { SPDU_TRANSPORT_DISCONNECT, offsetof(struct spdu_params, disconnect), 1 },
    { SPDU_PROTOCOL_OPTIONS, offsetof(struct spdu_params, options), 1 },
    { SPDU_REQUIREMENTS, offsetof(struct spdu_params, requirements), 2 },
    { SPDU_VERSION, offsetof(struct spdu_params, version), 1 },
    { SPDU_ENCLOSURE, offsetof(struct spdu_params, enclosure), 1 },
    { SPDU_TOKEN_SETTING, offsetof(struct spdu_params, token_setting), 1 },
    { SPDU_ACTIVITY_ID, offsetof(struct spdu_params, activity), SESSION_ACTIVITY_ID_BYTES_MAX },
    { SPDU_SERIAL, offsetof(struct spdu_params, serial), 6 },
    { SPDU_REASON, offsetof(struct spdu_params, reason), 1 + SESSION_DATA_BYTES_MAX },
    /* longer selectors than ours can be match nothing, and are not worth a refusal of the SPDU */
    { SPDU_CALLING_SELECTOR, offsetof(struct spdu_params, calling_selector), 255 },
    { SPDU_CALLED_SELECTOR, offsetof(struct spdu_params, called_selector), 255 },
    { SPDU_USER_DATA, offsetof(struct spdu_params, user_data), SESSION_DATA_BYTES_MAX },
    { SPDU_EXTENDED_USER_DATA, offsetof(struct spdu_params, user_data), SESSION_DATA_BYTES_MAX },
};

static bool
is_group(uint8_t code)
{
    return code == SPDU_CONNECTION_ID || code == SPDU_CONNECT_ITEM || code == SPDU_LINKING;
}

/* One unit off the front. False: its length leads out of the field. */
static bool
take_unit(struct slice *rest, uint8_t *code, struct slice *value)
{
    size_t length, used;

    if (!spdu_length(*rest, &length, &used) || length > rest->n - 1 - used) {
        return false;
    }
    *code = (uint8_t)rest->p[0];
    *value = slice_sub(*rest, 1 + used, length);
    *rest = slice_skip(*rest, 1 + used + length);
    return true;
}

/* Unknown parameters are stepped over (X.225 section 8.2.3). */
static bool
keep(struct spdu_params *params, uint8_t pi, struct slice value)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i].pi == pi) {
            if (value.n > known[i].bytes_max) {
                return false;
            }
            memcpy((char *)params + known[i].offset, &value, sizeof(value));
            params->extended = params->extended || pi == SPDU_EXTENDED_USER_DATA;
            break;
        }
    }
    return true;
}

bool
spdu_read(
    struct slice field, struct spdu_params *params, struct spdu_params *link, const char **error)
{
    struct slice group = SLICE_NONE; /* its rest */
    struct spdu_params *to = params;

    memset(params, 0, sizeof(*params));
    memset(link, 0, sizeof(*link));
    while (field.n > 0 || group.n > 0) {
        bool within = group.n > 0;
        struct slice value;
        uint8_t code;

        if (!take_unit(within ? &group : &field, &code, &value)) {
            *error = "a session parameter is longer than what it is in";
            return false;
        }
        if (!within && is_group(code)) {
            group = value;
            to = code == SPDU_LINKING ? link : params;
        } else if (!keep(within ? to : params, code, value)) {
            *error = "a session parameter is longer than X.225 allows";
            return false;
        }
    }
    return true;
}

uint32_t
spdu_number(struct slice value, uint32_t def)
{
    uint32_t number = 0;

    if (value.n == 0 || value.n > 4) {
        return def;
    }
    for (size_t i = 0; i < value.n; i++) {
        number = number << 8 | (uint8_t)value.p[i];
    }
    return number;
}

bool
spdu_serial(struct slice value, uint32_t *out)
{
    uint64_t number;

    if (value.n == 0 || slice_u64(value, SESSION_SERIAL_MAX, &number) < 0) {
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

/* ---- writing */

static void
put_octet(struct spdu_writer *w, uint8_t octet)
{
    CHECK(w->n < sizeof(w->octets));
    w->octets[w->n++] = (char)octet;
}

void
spdu_put(struct spdu_writer *w, enum spdu_pi pi, struct slice value)
{
    CHECK(value.n < 255 && value.n + 2 <= sizeof(w->octets) - w->n);
    put_octet(w, (uint8_t)pi);
    put_octet(w, (uint8_t)value.n);
    if (value.n > 0) {
        memcpy(w->octets + w->n, value.p, value.n);
        w->n += value.n;
    }
}

void
spdu_put_octet(struct spdu_writer *w, enum spdu_pi pi, uint8_t value)
{
    const char octet = (char)value;

    spdu_put(w, pi, (struct slice){ &octet, 1 });
}

void
spdu_put_serial(struct spdu_writer *w, uint32_t serial)
{
    char digits[12];
    int n = snprintf(digits, sizeof(digits), "%u", serial);

    CHECK(n > 0 && n <= 6);
    spdu_put(w, SPDU_SERIAL, (struct slice){ digits, (size_t)n });
}

void
spdu_begin(struct spdu_writer *w, enum spdu_pgi pgi)
{
    put_octet(w, (uint8_t)pgi);
    put_octet(w, 0);
    w->group = w->n;
}

void
spdu_end(struct spdu_writer *w)
{
    CHECK(w->n - w->group < 255);
    w->octets[w->group - 1] = (char)(w->n - w->group);
}

static size_t
put_length(char *out, size_t length)
{
    CHECK(length <= UINT16_MAX);
    if (length < 255) {
        out[0] = (char)length;
        return 1;
    }
    out[0] = (char)255;
    out[1] = (char)(length >> 8);
    out[2] = (char)length;
    return 3;
}

int
spdu_send(struct tp0 *t, int prefix, uint8_t si, const struct spdu_writer *w, enum spdu_pi user_pi,
    struct slice user_data)
{
    char head[2 + 4], user[4];
    size_t head_n = 0, user_n = 0;
    int rc;

    if (user_data.n > 0) {
        user[0] = (char)user_pi;
        user_n = 1 + put_length(user + 1, user_data.n);
    }
    if (prefix >= 0) {
        head[head_n++] = (char)prefix;
        head[head_n++] = 0;
    }
    head[head_n++] = (char)si;
    head_n += put_length(head + head_n, w->n + user_n + user_data.n);
    rc = tp0_send(t, (struct slice){ head, head_n }, false);
    if (rc == 0) {
        rc = tp0_send(t, (struct slice){ w->octets, w->n }, false);
    }
    if (rc == 0) {
        rc = tp0_send(t, (struct slice){ user, user_n }, user_data.n == 0);
    }
    if (rc == 0 && user_data.n > 0) {
        rc = tp0_send(t, user_data, true);
    }
    return rc;
}
