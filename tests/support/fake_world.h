/* support/fake_world.h - a scheduler with a clock, a queue and remote hosts that are numbers.
 *
 * Time stands still but in world_run, which jumps from event to event. Hosts are named by
 * destination; each does one thing until the test changes its mode.
 */
#ifndef SUPPORT_FAKE_WORLD_H
#define SUPPORT_FAKE_WORLD_H

#include "fake_queue.h"
#include "route/route.h"
#include "sched/sched.h"

#define SECOND      1000u
#define MINUTE      (60u * SECOND)
#define HOUR        (60u * MINUTE)
#define DAY         (24u * HOUR)
#define WORLD_START 1795250000000u

enum host_mode {
    HOST_OK,
    HOST_REFUSE,    /* connection refused, at once */
    HOST_BLACKHOLE, /* no answer to a connect: 30 s */
    HOST_HANG,      /* greets, then nothing: 5 min */
    HOST_DEFER,     /* 450 to each recipient */
    HOST_REJECT,    /* 550 to each recipient */
    HOST_LOSE,      /* greets, then closes at MAIL */
    HOST_NXDOMAIN,  /* no such domain: a permanent failure before any session */
    HOST_MIXED,     /* each recipient 250, 450 or 550 by chance */
    HOST_DOUBT      /* takes the final dot and closes */
};

struct host {
    char name[64];
    enum host_mode mode;
    uint64_t latency_ms;
    uint32_t session_max; /* beyond: 421; 0: no limit */
    uint32_t sessions, peak, greeted;
    uint64_t opens, delivered, attempts; /* attempts: recipients answered */
    uint64_t rerouted;                   /* of the deliveries */
    uint8_t untried;                     /* of ends without an answer */
    bool alone; /* a further session ends at once, while the first is being opened */
    uint64_t resume_ms;
};

struct world {
    uint64_t now, timer_at;
    struct queue *q;
    struct sched *s;
    struct sched_options o;
    struct sched_connector connectors[4];
    size_t connector_count;
    uint16_t via[ROUTE_VIA_MAX];
    uint8_t via_count;  /* 0: no route */
    uint64_t routed;    /* how often it was asked for */
    bool says_rerouted; /* its transports do; for world_start */
    struct heap events;
    struct host hosts[300];
    size_t host_count;
    uint64_t idle_ms, random;
    uint64_t first_bytes; /* of content read */
    int notify_rc;
    uint64_t notices;
    char *notice;                      /* the last one */
    uint64_t reports;                  /* on messages that came by X.400 */
    char *reported;                    /* the last one: content|address status;... */
    char reported_text[512];           /* of its last failure */
    uint64_t expires_wall_ms;          /* of messages that came by X.400; 0: as the options say */
    uint64_t not_before_wall_ms;       /* likewise */
    uint64_t lives;                    /* how often these were asked for */
    uint64_t report_wants;             /* of its content */
    bool requeue_notices;              /* notices become messages */
    struct queue_message *fresh[4096]; /* to be added in the next step */
    size_t fresh_count;
    uint64_t *seen; /* by message: bit i: recipient "u<i>@..." was delivered */
    uint64_t seen_capacity, twice;
    char dots[1024]; /* the first ones: "TRANSID recipient...\n" */
    unsigned drained;
    struct sched_recovered recovered; /* of world_start */
};

struct world *world_new(void); /* one smtp connector "mx", per domain, running */
void world_free(struct world *w);
void world_start(struct world *w); /* a (new) scheduler over the queue as it is */
void world_stop(struct world *w);  /* without a drain, as in a crash */
struct host *world_host(struct world *w, const char *name, enum host_mode mode);
struct queue_message *world_put(struct world *w, const char *sender, const char *rcpt);
struct queue_message *world_put_many(
    struct world *w, const char *sender, const char *domain, uint32_t count);
void world_add(struct world *w, struct queue_message *m);
/* Let events happen until `until_ms` (absolute), or until done(w) is true. True: it was. */
bool world_run(struct world *w, uint64_t until_ms, bool (*done)(struct world *w));
bool world_empty(struct world *w); /* the queue is */
uint64_t world_random(struct world *w);

#endif
