/* app/app_conf.h - the configuration file as the program sees it: one table of keys, one struct of
 * values.
 *
 * app_conf_load checks what the table can check (types, ranges) and then what it cannot: references
 * between sections, addresses, VIPs given twice. All errors of a file are reported, each with file,
 * line, key and cure. Everything in the struct is owned by it.
 */
#ifndef APP_APP_CONF_H
#define APP_APP_CONF_H

#include "bridgehead/events.h"
#include "core/conf.h"
#include "core/netaddr.h"
#include "core/secret.h"
#include "sched/retry.h"
#include "x400/or_address.h"
#include "x400/p1_envelope.h"
#include "x400/x400_match.h"
#include "x400/x400_schedule.h"

#define APP_NAME_CAP        64
#define APP_PATH_CAP        256
#define APP_VIPS_MAX        16
#define APP_LISTENERS_MAX   32
#define APP_CONNECTORS_MAX  256
#define APP_HOPS_MAX        16
#define APP_FROM_MAX        16
#define APP_ROUTES_MAX      4096
#define APP_CLIENTS_MAX     256
#define APP_DOMAINS_MAX     4096
#define APP_DNS_SERVERS_MAX 8
#define APP_VIA_MAX         8

enum app_protocol { APP_SMTP, APP_LMTP, APP_X400 };

struct app_listener {
    char name[APP_NAME_CAP];
    enum app_protocol protocol;
    struct netaddr addresses[APP_VIPS_MAX];
    size_t address_count;
    uint16_t port;
    bool checkpoint;
};
struct app_hop {
    char name[256]; /* empty: a literal */
    struct netaddr address;
    uint16_t port;
};
/* One side of an X.400 connector: what it calls itself. */
struct app_x400_side {
    char mta[P1_MTA_NAME_BYTES_MAX + 1]; /* empty: the NULL bind */
    struct slice password;               /* in the conf's secrets */
    struct x400_selectors selectors;
};
#define APP_PRIORITIES 3 /* by enum p1_priority */
struct app_x400 {
    enum p1_protocol protocol;
    struct app_x400_side local, remote;
    struct netaddr_prefix from[APP_FROM_MAX]; /* what the peer may call from */
    size_t from_count;                        /* 0: from anywhere */
    uint32_t checkpoint;                      /* KiB; 0: the peer decides */
    uint32_t window;
    bool two_way; /* two-way alternate */
    uint64_t recovery_ms;
    bool recover; /* by an association that recovers, not a bind */
    uint32_t association_limit, association_incoming, association_threshold;
    uint64_t association_idle_ms;
    uint32_t open_retries, transfer_retries; /* 0: no limit */
    uint64_t open_interval_ms, transfer_interval_ms;
    uint64_t kib_ms[APP_PRIORITIES];    /* of a transfer, for each KiB */
    uint64_t expire_ms[APP_PRIORITIES]; /* of a message's age */
    struct x400_schedule schedule;
    uint64_t message_bytes_max;
    bool strip_internal, strip_bilateral, relabel;
};
struct app_connector {
    char name[APP_NAME_CAP];
    enum app_protocol protocol;
    struct app_hop hops[APP_HOPS_MAX];
    size_t hop_count;
    struct netaddr sources[APP_VIPS_MAX];
    size_t source_count;
    uint16_t port;
    uint32_t concurrency, limit, recipients, messages_per_session;
    uint64_t idle_ms, down_after_ms;
    uint64_t connect_ms, greeting_ms, command_ms, data_init_ms, data_block_ms, data_done_ms;
    bool in_doubt_hold;
    struct app_x400 *x400; /* NULL: another protocol */
};
struct app_route {
    struct slice to; /* in the conf: a domain's pattern, or an address space ("/…/") */
    bool is_or;
    uint16_t via[APP_VIA_MAX]; /* by cost */
    uint32_t cost[APP_VIA_MAX];
    size_t via_count;
};

struct app_conf {
    struct conf *conf;
    char file[APP_PATH_CAP];
    char instance[APP_NAME_CAP];
    char hostname[256];
    char user[APP_NAME_CAP];
    struct netaddr vips[APP_VIPS_MAX];
    size_t vip_count;
    uint64_t vip_grace_ms;
    char store_path[APP_PATH_CAP];
    uint64_t store_reserve_bytes, store_lease_ms, store_snapshot_bytes;
    bool pacemaker; /* cluster.mode */
    struct netaddr dns_servers[APP_DNS_SERVERS_MAX];
    size_t dns_server_count;
    uint64_t dns_timeout_ms;
    char log_to[APP_PATH_CAP];
    int log_level; /* enum log_level */
    uint32_t sessions_max, sessions_per_client_max, recipients_max, errors_max;
    uint64_t message_bytes_max;
    uint64_t command_timeout_ms, data_timeout_ms, drain_ms;
    char postmaster[320];
    struct netaddr_prefix clients[APP_CLIENTS_MAX];
    size_t client_count;
    struct slice *domains; /* in the conf */
    size_t domain_count;
    struct app_listener listeners[APP_LISTENERS_MAX];
    size_t listener_count;
    struct app_connector *connectors;
    size_t connector_count;
    struct app_route *routes;
    size_t route_count;
    struct p1_domain x400_domain; /* ours; given if there is an X.400 listener or connector */
    char x400_mta[P1_MTA_NAME_BYTES_MAX + 1];
    struct secrets *secrets;
    struct retry_schedule retry, backoff;
    uint64_t expire_ms, warn_after_ms;
};

/* vip_text: what --vip gave ("192.0.2.10,2001:db8::10"), or NULL. Where the file lists VIPs too
 * they must be the same set. 0; BH_ECONFIG after on_error was called for each fault; -ENOMEM. */
int app_conf_load(struct app_conf **out, const char *path, const char *vip_text,
    conf_error_fn *on_error, void *ctx) MUST_USE;
void app_conf_free(struct app_conf *c);
/* The table, for the manual page and for reload. */
const struct conf_key *app_conf_table(size_t *rows);
/* What was understood: a line for each listener, connector and route. No password is in it. */
void app_conf_describe(
    const struct app_conf *c, void (*put)(void *ctx, const char *line), void *ctx);
/* "FILE:LINE: KEY: MESSAGE (CURE)" */
void app_conf_error_text(const struct conf_error *e, char *out, size_t cap);
enum bridgehead_event app_conf_error_event(const struct conf_error *e);

/* What an incoming association of a connector brings; borrowed from x. */
struct x400_expected app_x400_expected(const struct app_x400 *x);

/* Paths that follow from the instance. */
void app_run_dir(const struct app_conf *c, char out[APP_PATH_CAP]); /* /run/bridgehead/NAME */
/* The second lock of the store's owner (design: both must be free before a dead owner is given up).
 */
void app_server_lock(const char *instance, char out[APP_PATH_CAP]);

#endif
