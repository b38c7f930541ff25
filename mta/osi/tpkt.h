/* osi/tpkt.h - packets on a TCP stream (RFC 1006 section 6; RFC 2126 section 4.3 has the same for
 * IPv6): 03 00 and the length, these four octets included. Pure.
 *
 * A packet's octets are given as they come, never gathered: the largest has 65531, and a thousand
 * peers that each send all but the last must not cost us 64 MiB.
 */
#ifndef OSI_TPKT_H
#define OSI_TPKT_H

#include "core/slice.h"

#define TPKT_HEADER_BYTES 4
#define TPKT_BYTES_MIN    7 /* the shortest TPDU has three octets */
#define TPKT_BYTES_MAX    65535

enum tpkt_event {
    TPKT_MORE,  /* all bytes are taken */
    TPKT_PIECE, /* some octets of a packet */
    TPKT_BAD    /* this is no packet: error; sticky. There is no way to find the next one */
};

struct tpkt {
    uint8_t head_n, head[TPKT_HEADER_BYTES];
    uint16_t left; /* of the present packet, without header */
    bool begun;    /* a piece of it was given */
    const char *error;
};

struct tpkt_piece {
    struct slice bytes; /* points into what was fed; never empty */
    bool first, last;   /* the packet begins, ends with it */
};

void tpkt_init(struct tpkt *t);
/* Takes from *bytes up to the end of one packet. The second octet, reserved, is ignored (Exchange
 * 4.0 once sent others than 0). */
enum tpkt_event tpkt_next(struct tpkt *t, struct slice *bytes, struct tpkt_piece *piece);
/* The header of a packet of packet_bytes, these four included. */
void tpkt_header(char out[TPKT_HEADER_BYTES], size_t packet_bytes);

#endif
