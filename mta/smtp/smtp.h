/* smtp/smtp.h - SMTP as server and as client, for app/ to wire up.
 *
 * smtp_server.c and smtp_client.c are pure (lines and results in, replies and requests out;
 * docs/protocols/smtp.md shows their tables); smtp_in.c and smtp_out.c are the shells that move
 * bytes and timers.
 */
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include "mail/intake.h"
#include "mail/transport.h"
#include "net/egress.h"
#include "net/resolver.h"

/* ---- server */
struct smtp_in; /* all inbound sessions of the process */
struct smtp_in_options {
    const char *hostname;
    uint32_t sessions_max;            /* beyond: 421 4.7.0 and close */
    uint32_t sessions_per_client_max; /* of one address, or one /64 of IPv6; 0: no limit */
    uint64_t message_bytes_max;
    uint32_t recipients_max;
    uint64_t command_timeout_ms, data_timeout_ms; /* RFC 5321 4.5.3.2.7: 5 min; 10 min */
    uint32_t errors_max;                          /* bad commands before 421 */
};
int smtp_in_new(struct smtp_in **out, struct loop *l, const struct smtp_in_options *o,
    const struct intake *intake) MUST_USE;
void smtp_in_set_options(
    struct smtp_in *in, const struct smtp_in_options *o); /* reload: sessions go on */
/* A new client; takes over fd. trusted: sessions_per_client_max is not for it. listener lives as
 * long as in. */
void smtp_in_accept(
    struct smtp_in *in, int fd, const struct netaddr *peer, bool trusted, const char *listener);
/* No new session and no new transaction (421 at the next command). A client that is sending a
 * message has budget_ms to come to its final dot; whoever sent it gets his reply when the sync
 * returns. cb when all sessions are gone. */
void smtp_in_drain(struct smtp_in *in, uint64_t budget_ms, loop_fn *cb, void *ctx);
/* Stop at once: reset everything (fenced, quorum lost). */
void smtp_in_abort(struct smtp_in *in);
/* The address left this host: what its clients were to hear must not leave from elsewhere, nor from
 * it once another host has it. */
void smtp_in_cut(struct smtp_in *in, const struct netaddr *local);
unsigned smtp_in_count(const struct smtp_in *in);
void smtp_in_free(struct smtp_in *in);
struct smtp_in_stats {
    uint64_t sessions, accepted, refused_recipients, rejected_messages;
    unsigned open;
};
void smtp_in_stats(const struct smtp_in *in, struct smtp_in_stats *out);

/* ---- client: a transport */
struct smtp_out;
struct smtp_out_hop {
    struct slice name;      /* "backup.example.net", or empty when literal */
    struct netaddr address; /* family 0 when named */
    uint16_t port;
};
struct smtp_out_options {
    const char *connector; /* name */
    const char *hostname;  /* for EHLO */
    bool lmtp;
    const struct netaddr *sources; /* VIPs to send from */
    size_t source_count;
    const struct netaddr *vips; /* all of ours: a host there is us */
    size_t vip_count;
    const struct smtp_out_hop *hops; /* none: MX of the destination */
    size_t hop_count;
    uint16_t port;                 /* for MX */
    uint32_t messages_per_session; /* 0: no limit */
    uint64_t idle_ms;
    uint64_t connect_ms, greeting_ms, command_ms, data_init_ms, data_block_ms,
        data_done_ms; /* RFC 5321 4.5.3.2: 30 s, 5 min, 5 min, 2 min, 3 min, 10 min */
};
int smtp_out_new(struct smtp_out **out, struct loop *l, struct egress *e, struct resolver *r,
    const struct smtp_out_options *o, const struct transport_up *up) MUST_USE;
int smtp_out_set_options(struct smtp_out *t,
    const struct smtp_out_options *o) MUST_USE; /* reload: sessions go on with the old */
struct transport smtp_out_transport(struct smtp_out *t);
void smtp_out_free(struct smtp_out *t); /* no session left, or CHECK */

#endif
