/* x400/x400_trace.h - what goes over connections, for people: one line for each TPDU, SPDU, PPDU
 * and APDU, and a pcap file that tshark reads. Pure.
 *
 * A trace reads a copy of the octets in both directions, beside the stack and independent of it, so
 * it shows also what the stack refuses. Without a sink there is no trace, and its cost is one
 * comparison a read or write. Content is not shown, passwords neither; in the pcap file both are.
 */
#ifndef X400_X400_TRACE_H
#define X400_X400_TRACE_H

#include "core/buf.h"
#include "core/netaddr.h"

#define X400_TRACE_LINE_CAP 512

/* on_line: "[192.0.2.10]:40000 > [198.51.100.7]:102 ACTIVITY START 1", without a newline; ">" goes
 * out. on_pcap:
 * whole records (x400_pcap_head goes before the first). Either may be NULL. */
struct x400_trace_sink {
    void (*on_line)(void *ctx, const char *label, uint64_t wall_ms, const char *line);
    void (*on_pcap)(void *ctx, struct slice record);
    void *ctx;
};

struct x400_trace;
int x400_trace_new(struct x400_trace **out, const struct x400_trace_sink *sink, const char *label,
    const struct netaddr *local, const struct netaddr *remote) MUST_USE;
void x400_trace_free(struct x400_trace *t);
void x400_trace_label(struct x400_trace *t, const char *label);
/* Octets that came or go, in order. Begun within a packet: skip first what belongs to it. */
void x400_trace_octets(struct x400_trace *t, bool out, struct slice bytes, uint64_t wall_ms);
void x400_trace_skip(struct x400_trace *t, bool out, size_t n);
/* Connected (SYN and SYN-ACK in the pcap file), closed (FIN). */
void x400_trace_begin(struct x400_trace *t, bool incoming, uint64_t wall_ms);
void x400_trace_end(struct x400_trace *t, uint64_t wall_ms);

/* The file's header: raw IP, microseconds. */
#define X400_PCAP_HEAD_BYTES 24
void x400_pcap_head(char out[X400_PCAP_HEAD_BYTES]);

#endif
