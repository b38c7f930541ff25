/* osi/session_int.h - what session.c, session_in.c and explain.c share. Private. */
#ifndef OSI_SESSION_INT_H
#define OSI_SESSION_INT_H

#include "osi/session_spdu.h"

/* SPDU identifiers (8.3). Some number two SPDUs, of which one comes alone and one behind a prefix.
 */
enum {
    SI_GT = 1, /* empty: the prefix of what whoever has the turn sends */
    SI_PT = 2, /* empty: the prefix of what the other side sends */
    SI_ER = 0,
    SI_DT = 1,
    SI_FN = 9,
    SI_DN = 10,
    SI_RF = 12,
    SI_CN = 13,
    SI_AC = 14,
    SI_GTC = 21,
    SI_GTA = 22,
    SI_AB = 25,
    SI_AI = 25,
    SI_AA = 26,
    SI_AIA = 26,
    SI_AR = 29,
    SI_AE = 41,
    SI_AEA = 42,
    SI_AS = 45,
    SI_ED = 48,
    SI_MIP = 49,
    SI_MIA = 50,
    SI_AD = 57,
    SI_ADA = 58
};
#define NO_PREFIX (-1)

enum { VERSION_1 = 1, VERSION_2 = 2 };
enum { ABORT_RELEASED = 1, ABORT_BY_USER = 2, ABORT_PROTOCOL_ERROR = 4 };

/* By identifier, and whether a category 0 SPDU came before it in its TSDU (6.3.7). */
enum session_event session_event_of(uint8_t si, bool prefixed);

int session_send_plain(struct session *s, int prefix, uint8_t si) MUST_USE;
/* The ABORT of ours: the transport is not kept, so no ABORT ACCEPT is waited for. Over. */
void session_send_abort(struct session *s, uint8_t reason, struct slice user_data);
int session_send_refuse(struct session *s, unsigned reason, struct slice user_data) MUST_USE;

#endif
