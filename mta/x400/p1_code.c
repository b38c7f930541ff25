#include "x400/p1_code.h"

static const struct p1_code codes[] = {
    [P1_CAUSE_UNKNOWN_NAME] = { 1, 0, "5.1.1", "the address is not known here" },
    [P1_CAUSE_AMBIGUOUS_NAME] = { 1, 1, "5.1.4", "the address names several" },
    [P1_CAUSE_CONGESTION] = { 0, 2, "5.3.1", "no room" },
    [P1_CAUSE_LOOP] = { 1, 3, "5.4.6", "the message goes round" },
    [P1_CAUSE_UNAVAILABLE] = { 0, 4, "5.2.1", "the recipient takes no mail now" },
    [P1_CAUSE_EXPIRED] = { 0, 5, "5.4.7", "the time for delivery is over" },
    [P1_CAUSE_EITS] = { 1, 6, "5.6.1", "encoded information types that are not taken" },
    [P1_CAUSE_TOO_LONG] = { 1, 7, "5.3.4", "the content is too long for the next MTA" },
    [P1_CAUSE_CONVERSION] = { 2, 8, "5.6.3", "a conversion would be needed" },
    [P1_CAUSE_NO_CONVERSION] = { 2, 9, "5.6.2", "the conversion needed is prohibited" },
    [P1_CAUSE_ARGUMENTS] = { 1, 11, "5.5.4", "the next MTA refused an argument" },
    [P1_CAUSE_CONTENT_SYNTAX] = { 1, 12, "5.6.0", "the content cannot be read" },
    [P1_CAUSE_SIZE] = { 1, 13, "5.2.3", "beyond a size limit" },
    [P1_CAUSE_PROTOCOL] = { 1, 14, "5.5.0", "a protocol violation" },
    [P1_CAUSE_CONTENT_TYPE] = { 1, 15, "5.6.1", "the next MTA does not take this content type" },
    [P1_CAUSE_RECIPIENTS] = { 1, 16, "5.5.3", "too many recipients" },
    [P1_CAUSE_CRITICAL] = { 1, 18, "5.3.3", "a critical extension that is not supported" },
    [P1_CAUSE_LOSS] = { 2, 19, "5.6.4", "a conversion with loss is prohibited" },
    [P1_CAUSE_NO_REASSIGNMENT] = { 1, 26, "5.1.6", "redirection is prohibited" },
    [P1_CAUSE_NO_DL_EXPANSION] = { 1, 28, "5.2.4", "expansion of lists is prohibited" },
    [P1_CAUSE_DL_PERMISSION] = { 1, 29, "5.7.2", "the list takes no mail from the originator" },
    [P1_CAUSE_RESTRICTED] = { 5, P1_NO_DIAGNOSTIC, "5.7.1", "delivery is restricted" },
    [P1_CAUSE_SECURITY] = { 8, P1_NO_DIAGNOSTIC, "5.7.0", "refused for security" },
    [P1_CAUSE_DOWNGRADE] = { 1, 47, "5.6.5", "the next MTA speaks P1 of 1984" },
    [P1_CAUSE_ATTEMPTS] = { 0, 49, "5.4.1", "the limit of attempts is reached" },
    [P1_CAUSE_OTHER] = { 0, 48, "5.0.0", "the transfer could not be completed" },
};
_Static_assert(ARRAY_LEN(codes) == P1_CAUSE_COUNT, "a cause has no row");

static const char *const reasons[] = { "transfer-failure", "unable-to-transfer",
    "conversion-not-performed", "physical-rendition-not-performed",
    "physical-delivery-not-performed", "restricted-delivery", "directory-operation-unsuccessful",
    "deferred-delivery-not-performed", "transfer-failure-for-security-reason" };
static const char *const diagnostics[] = { "unrecognised-OR-name", "ambiguous-OR-name",
    "mts-congestion", "loop-detected", "recipient-unavailable", "maximum-time-expired",
    "encoded-information-types-unsupported", "content-too-long", "conversion-impractical",
    "implicit-conversion-prohibited", "implicit-conversion-not-subscribed", "invalid-arguments",
    "content-syntax-error", "size-constraint-violation", "protocol-violation",
    "content-type-not-supported", "too-many-recipients", "no-bilateral-agreement",
    "unsupported-critical-function", "conversion-with-loss-prohibited", "line-too-long",
    "page-split", "pictorial-symbol-loss", "punctuation-symbol-loss", "alphabetic-character-loss",
    "multiple-information-loss", "recipient-reassignment-prohibited", "redirection-loop-detected",
    "dl-expansion-prohibited", "no-dl-submit-permission", "dl-expansion-failure",
    "physical-rendition-attributes-not-supported",
    "undeliverable-mail-physical-delivery-address-incorrect",
    "undeliverable-mail-physical-delivery-office-incorrect-or-invalid",
    "undeliverable-mail-physical-delivery-address-incomplete",
    "undeliverable-mail-recipient-unknown", "undeliverable-mail-recipient-deceased",
    "undeliverable-mail-organization-expired", "undeliverable-mail-recipient-refused-to-accept",
    "undeliverable-mail-recipient-did-not-claim",
    "undeliverable-mail-recipient-changed-address-permanently",
    "undeliverable-mail-recipient-changed-address-temporarily",
    "undeliverable-mail-recipient-changed-temporary-address",
    "undeliverable-mail-new-address-unknown",
    "undeliverable-mail-recipient-did-not-want-forwarding",
    "undeliverable-mail-originator-prohibited-forwarding", "secure-messaging-error",
    "unable-to-downgrade", "unable-to-complete-transfer", "transfer-attempts-limit-reached",
    "incorrect-notification-type", "dl-expansion-prohibited-by-security-policy",
    "forbidden-alternate-recipient", "security-policy-violation", "security-services-refusal",
    "unauthorised-dl-member", "unauthorised-dl-name",
    "unauthorised-originally-intended-recipient-name", "unauthorised-originator-name",
    "unauthorised-recipient-name", "unreliable-system", "authentication-failure-on-subject-message",
    "decryption-failed", "decryption-key-unobtainable", "double-envelope-creation-failure",
    "double-enveloping-message-restoring-failure", "failure-of-proof-of-message",
    "integrity-failure-on-subject-message", "invalid-security-label", "key-failure",
    "mandatory-parameter-absence", "operation-security-failure", "repudiation-failure-of-message",
    "security-context-failure", "token-decryption-failed", "token-error", "unknown-security-label",
    "unsupported-algorithm-identifier", "unsupported-security-policy" };

/* Statuses that are no row's own: the rest of RFC 3463, by the nearest of its meanings. */
static const struct {
    const char *detail; /* behind the class; ends in "." for a whole subject */
    enum p1_cause cause;
} statuses[] = {
    { "1.", P1_CAUSE_UNKNOWN_NAME },
    { "2.2", P1_CAUSE_CONGESTION }, /* mailbox full */
    { "2.", P1_CAUSE_UNAVAILABLE },
    { "3.", P1_CAUSE_CONGESTION },
    { "4.3", P1_CAUSE_OTHER },
    { "4.4", P1_CAUSE_UNKNOWN_NAME }, /* no route */
    { "4.5", P1_CAUSE_CONGESTION },
    { "4.", P1_CAUSE_ATTEMPTS },
    { "5.", P1_CAUSE_PROTOCOL },
    { "6.", P1_CAUSE_CONVERSION },
    { "7.", P1_CAUSE_RESTRICTED },
};

const struct p1_code *
p1_code(enum p1_cause cause)
{
    CHECK((unsigned)cause < ARRAY_LEN(codes));
    return &codes[cause];
}

static enum p1_cause
nearest(struct slice detail)
{
    for (unsigned i = 0; i < ARRAY_LEN(statuses); i++) {
        struct slice row = slice_of(statuses[i].detail);

        if (row.p[row.n - 1] == '.' ? slice_starts(detail, row) : slice_eq(detail, row)) {
            return statuses[i].cause;
        }
    }
    return P1_CAUSE_OTHER;
}

enum p1_cause
p1_code_cause(struct slice status)
{
    struct slice detail = slice_skip(status, 2);

    if (status.n < 5 || status.p[1] != '.') {
        return P1_CAUSE_OTHER;
    }
    if (slice_eq(detail, SLICE_LIT("6.1"))) {
        return P1_CAUSE_CONTENT_TYPE; /* two rows have it */
    }
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        if (slice_eq(detail, slice_of(codes[i].status + 2))) {
            return (enum p1_cause)i;
        }
    }
    return nearest(detail);
}

const char *
p1_code_status(uint32_t reason, uint32_t diagnostic)
{
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        /* A diagnostic says all; without one the reason has to do. */
        if (codes[i].diagnostic == diagnostic &&
            (diagnostic != P1_NO_DIAGNOSTIC || codes[i].reason == reason)) {
            return codes[i].status;
        }
    }
    return "5.0.0";
}

const char *
p1_code_reason(uint32_t reason)
{
    return reason < ARRAY_LEN(reasons) ? reasons[reason] : "";
}

const char *
p1_code_diagnostic(uint32_t diagnostic)
{
    return diagnostic < ARRAY_LEN(diagnostics) ? diagnostics[diagnostic] : "";
}
