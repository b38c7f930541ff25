/* osi/presentation_pdu.h - PDUs of X.226 read and written. Private to presentation.c. Pure. */
#ifndef OSI_PRESENTATION_PDU_H
#define OSI_PRESENTATION_PDU_H

#include "osi/presentation.h"

/* What a CP, CPA or CPR says. */
struct pdu {
    enum presentation_mode mode;
    struct slice calling, called, responding; /* P-selectors */
    struct slice contexts; /* contents of the definition list or of the result list */
    bool has_contexts;
    uint32_t context;  /* of user; 0: none */
    struct slice user; /* one value; X.410 mode: members */
    int provider_reason;
    bool refusal; /* a CPR's form */
};

/* 0, BH_ESYNTAX with *error. */
int pdu_read_connect(struct slice bytes, struct pdu *out, const char **error) MUST_USE;
int pdu_read_refusal(struct slice bytes, struct pdu *out, const char **error) MUST_USE;
/* A PDV-list, or an ARU around one: the context and the value. False: none. */
bool pdu_read_user(struct slice bytes, uint32_t *context, struct slice *value);
/* The next of a definition list: 1, 0 at the end, BH_ESYNTAX. ber: BER is among its transfer
 * syntaxes. */
int pdu_read_offer(struct ber_cursor *list, uint32_t *id, struct slice *syntax, bool *ber) MUST_USE;
/* The next of a result list: 1, 0, BH_ESYNTAX. */
int pdu_read_result(struct ber_cursor *list, bool *accepted) MUST_USE;

void pdu_write_mode(struct ber_writer *w, enum presentation_mode mode);
void pdu_write_user(struct ber_writer *w, uint32_t context, struct slice value);
void pdu_write_offer(struct ber_writer *w, uint32_t id, struct slice syntax);
void pdu_write_result(struct ber_writer *w, bool accepted);

#endif
