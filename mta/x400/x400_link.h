/* x400/x400_link.h - associations and their two halves: private to x400.c, x400_connector.c,
 * x400_link.c, x400_answer.c, x400_in.c and x400_out.c.
 *
 * Who has what   x400 has all links; a connector those that are bound, and the scheduler's
 *                sessions. A link has at most one receipt (an APDU that comes) and at most one
 *                session (transport_session, APDUs that go). A receipt outlives its link while its
 *                commits are under way; a session outlives its links.
 * Ends           x400_link_end is the only way out of a link; x400_out_end of a session. Whoever
 *                calls something that may end the link does not touch it afterwards.
 */
#ifndef X400_X400_LINK_H
#define X400_X400_LINK_H

#include "x400/p1_reader.h"
#include "x400/x400.h"
#include "x400/x400_half.h"
#include "x400/x400_judge.h"
#include "x400/x400_resume.h"
#include "x400/x400_share.h"

struct x400_connector;
struct x400_link;

struct x400_conf { /* a connector's options as given, copied, shared by what began with them */
    unsigned refs;
    struct x400_connector_options o;
    struct secrets *passwords; /* where o's are; NULL: it has none */
};
int x400_conf_new(struct x400_conf **out, const struct x400_connector_options *o) MUST_USE;
struct x400_conf *x400_conf_ref(struct x400_conf *conf);
void x400_conf_unref(struct x400_conf *conf); /* NULL is fine */
/* What the next transfer goes by, in *held's place: the connector's options as they are now, unless
 * its association (NULL: it has none yet) was opened in another mode; then that one's. */
void x400_conf_take(
    struct x400_conf **held, const struct x400_connector *c, const struct x400_link *l);
/* How an association is opened; but to whom is the caller's. bind is where its argument stands. */
#define X400_BIND_BYTES_MAX 512
int x400_conf_open(
    const struct x400_conf *conf, struct x400_options *out, struct buf *bind) MUST_USE;

struct x400 {
    struct x400_env env;
    struct x400_mta_options o; /* mta_name is ours */
    struct list links, connectors, receipts;
    uint64_t last_id; /* of associations */
    /* What incoming associations have to bring, and whose they are then. */
    struct x400_expected *expected;
    struct x400_connector **expected_by;
    size_t expected_count;
    struct x400_stats stats;
    struct x400_places places; /* of the last long envelope that went out */
    uint64_t started_wall_ms;
    struct loop_timer parts_timer; /* x400_resume_in.c */
    bool draining;
    struct loop_timer drain_timer;
    struct loop_task drain_task;
    loop_fn *drain_cb; /* NULL: not draining, or told */
    void *drain_ctx;
};

/* An association of the peer's that broke, and may be recovered: x400_recover.c. */
#define X400_GONE_MAX 16u
struct x400_gone {
    struct rtse_recovery whose; /* reference and checkpoint size */
    struct netaddr peer;
    enum rtse_dialogue dialogue;
    uint64_t since_wall_ms; /* 0: none */
};

struct x400_connector {
    struct x400 *x;
    struct list link; /* in x->connectors */
    struct x400_conf *conf;
    struct x400_connector_env env;
    struct transport_up up;
    struct list links;          /* of x400_link.of_connector */
    struct list sessions, dead; /* of transport_session.link */
    unsigned session_count;
    bool suspended, retired;
    struct loop_timer opens; /* when the schedule's next window begins */
    struct loop_task reached;
    struct transport_session *noting[X400_NOTES]; /* x400_resume_out.c: whose the note is now */
    struct x400_gone gone[X400_GONE_MAX];
    bool recover_refused; /* the peer did: by a bind, the next time */
    struct x400_connector_view seen;
};

struct x400_link {
    struct list link, of_connector;
    struct x400 *x;
    struct x400_connector *connector; /* NULL: not bound yet */
    struct x400_conf *conf;
    struct x400_conn *conn;
    uint64_t id;
    struct netaddr peer;                /* incoming: who called */
    char listener[X400_CONN_LABEL_CAP]; /* incoming */
    struct x400_selector called;        /* incoming: T */
    bool incoming, open;
    bool recovers;          /* outgoing: opened without a bind, x400_recover.c */
    bool twin;              /* the peer has another one by this reference: x400_resume_find.c */
    bool closing, released; /* to be closed, politely; x400_conn was told */
    enum p1_protocol protocol;
    enum rtse_dialogue dialogue;
    bool turn;        /* ours */
    bool sending;     /* a transfer of ours is under way */
    bool giving;      /* it is on its way to the peer */
    bool pleased;     /* we asked for the turn */
    bool wanted;      /* the peer did */
    uint32_t in_turn; /* transfers of ours since it is ours */
    uint32_t messages_in, messages_out;
    uint32_t activities; /* the peer's highest number: x400_resume_find.c */
    char remote[NETADDR_TEXT_CAP], local[NETADDR_TEXT_CAP]; /* with and without port */
    struct x400_receipt *receipt;
    struct transport_session *session;
};

/* x400_link.c */
struct x400_link *x400_link_new(struct x400 *x); /* or NULL; x400_link_drop before it has a conn */
void x400_link_drop(struct x400_link *l);
void x400_link_bind(struct x400_link *l, struct x400_connector *c);
extern const struct x400_conn_user x400_link_user; /* ctx: the link */
/* It is open: who has the turn and so on. */
void x400_link_opened(struct x400_link *l, const struct rtse_open *agreed);
/* Nothing is under way, or the session has work: the turn is used, given, or asked for. */
void x400_link_turn(struct x400_link *l);
/* Politely, once nothing is under way. */
void x400_link_close(struct x400_link *l);
/* At once. why: of the session; cut: without a word. */
void x400_link_end(struct x400_link *l, const struct x400_end *end);
void x400_link_abort(struct x400_link *l, const char *text, int status);
/* Why who answered is not the connector's peer; NULL: it is. */
const char *x400_link_stranger(enum p1_bind_match match);
/* An end's sentence; of a refusal without a bind error with the settings that it is about. */
const char *x400_link_refused(const struct x400_end *end);
/* "rtse: the peer ... (reason 3)" */
const char *x400_link_why(const struct x400_end *end, char out[X400_WHY_CAP]);
void x400_link_note(struct x400_connector *c, bool incoming, enum osi_layer layer, unsigned reason,
    const char *text);

/* x400_answer.c */
/* Who calls got no further than this: an event, on this side too. */
void x400_answer_broken(struct x400_link *l, const char *why);
void x400_answer_call(void *ctx, struct slice calling, struct slice called);
void x400_answer_offer(void *ctx, const struct rtse_open *offer);

/* x400_recover.c: associations that recover another */
/* It ends, and not by a release. */
void x400_recover_note(const struct x400_link *l);
/* Whose the association is that the offer wants to recover, or NULL and *why. *checkpoint: what it
 * had. May end the association itself, of which we had not heard that it is gone. */
struct x400_connector *x400_recover_find(struct x400_link *l, const struct rtse_open *offer,
    enum p1_protocol protocol, uint32_t *checkpoint, const char **why);
/* Ours that broke with a transfer of t's, if it is to be re-opened by recover. */
bool x400_recover_ours(const struct transport_session *t, struct rtse_recovery *out);

/* x400.c */
void x400_drained(struct x400 *x); /* a link or receipt went */

/* x400_connector.c */
enum x400_may {
    X400_MAY,
    X400_MAY_SOON, /* when one that is being released is gone: x400_out_wake */
    X400_MAY_NOT
};
enum x400_may x400_connector_may_call(const struct x400_connector *c, const char **why);
void x400_connector_arm(struct x400_connector *c); /* the schedule's next window */

/* ---- x400_in.c */

struct x400_receipt {
    struct list link; /* in x->receipts */
    struct x400 *x;
    struct x400_connector *connector; /* NULL once it is removed */
    struct x400_conf *conf;
    struct x400_link *at; /* NULL: the association is gone */
    uint32_t activity, point;
    enum x400_in_state state;
    struct p1_reader reader;
    struct x400_judged judged;
    struct buf trans;    /* the name by which a repetition is recognised */
    struct buf returned; /* content for a report of ours */
    bool returning, knows, envelope, named;
    struct intake_message *message, *report;
    uint64_t id, report_id;
    uint64_t content_bytes, arrival_wall_ms;
    unsigned commits;
    int status; /* the first of commits that failed */
    const char *why;
    struct loop_timer timer; /* known is asked again */
    unsigned asked;
    /* x400_resume_in.c */
    uint32_t renamed;            /* the activity's number for a recovery */
    uint32_t last_point, flying; /* that came; that is secured with what is being secured */
    bool securing;
    bool has_part;        /* something was secured, or is being, and may be resumed */
    bool odd;             /* the peer's points are not where their numbers say */
    bool keeps;           /* it is left for a recovery */
    uint64_t again_bytes; /* of what comes, we have so much already */
};
/* What the association says; *_begin makes the receipt. */
void x400_in_begin(struct x400_link *l, uint32_t activity);
void x400_in_octets(struct x400_link *l, struct slice bytes);
void x400_in_point(struct x400_link *l, uint32_t point);
void x400_in_end(struct x400_link *l, uint32_t point);
void x400_in_stopped(struct x400_link *l, bool keep);
void x400_in_refuse(struct x400_receipt *r, const char *why, bool busy); /* reported */
/* Its envelope is here (again): judged. False: out of memory. */
bool x400_in_judge(struct x400_receipt *r);
loop_fn x400_in_writable;                    /* ctx: the receipt */
void x400_in_lost(struct x400_link *l);      /* the link goes */
void x400_in_forget(struct x400_receipt *r); /* at once; commits are not waited for */

/* ---- x400_resume_in.c: parts of what comes */

/* RTSE_IND_RESUME. */
void x400_resume_in(struct x400_link *l, const struct rtse_ind *ind);
/* A point came: it is confirmed once what is before it is durable. */
void x400_resume_point(struct x400_receipt *r, uint32_t point);
/* The message is being given up, or left: nobody waits any more. */
void x400_resume_end(struct x400_receipt *r);
/* Nothing is kept from now on, and the transfer goes on: points that wait are confirmed. */
void x400_resume_skip(struct x400_receipt *r);
void x400_resume_start(struct x400 *x);
/* A part is given up, with its event. */
void x400_resume_drop(struct x400 *x, uint64_t id, uint64_t size_bytes);

/* ---- x400_resume_find.c: which part a resumption names */

/* What a recovery of r would name; whose: in parts. r has its association. */
struct slice x400_resume_key(
    const struct x400_receipt *r, char out[X400_PART_KEY_CAP], struct rtse_recovery *whose);
/* What the peer's resumption names. */
void x400_resume_whose(
    const struct x400_link *l, const struct rtse_ind *ind, struct rtse_recovery *out);
/* The part of that name. 1; 0: there is none, or it is not certain which; -EAGAIN: not known yet.
 * May end another association. */
int x400_resume_find(
    const struct x400_receipt *r, struct slice key, struct intake_part *out) MUST_USE;
/* A transfer begins (anew, or goes on) by this number: was there another one of it? */
void x400_resume_numbered(struct x400_link *l, uint32_t number, bool anew);
/* An association is open: whatever else has its reference cannot be told from it any more. */
void x400_resume_opened(struct x400_link *l);

/* ---- x400_resume_out.c: notes of what goes */

/* Go on with a transfer that broke, if there is one: what remains is to be written then. */
bool x400_resume_out(struct transport_session *t);
void x400_resume_confirmed(struct transport_session *t); /* a point */
/* It broke, and may be resumed at its last point; not if the peer ended it for the resumption. */
void x400_resume_broken(struct transport_session *t, bool by_peer);
/* The peer said "not now", and kept what it has: after a resumption that got no further, under the
 * name that we resumed by. */
void x400_resume_reported(struct transport_session *t);
/* done: nothing will be resumed; else the note stays for the next delivery. */
void x400_resume_leave(struct transport_session *t, bool done);
/* The association that broke with it, if it can be resumed yet. */
bool x400_resume_of(const struct transport_session *t, struct rtse_recovery *out);
/* How long the delivery in hand can be resumed yet; 0: there is nothing of it. Before its
 * association is open: it, or another one of the connector. */
uint64_t x400_resume_left_ms(const struct transport_session *t);

/* ---- x400_out.c */

struct transport_session {
    struct x400_connector *connector;
    struct x400_conf *conf;
    struct sched_session *up;
    struct list link;
    struct loop_task task;
    struct loop_timer timer; /* waiting for a call */
    struct x400_link *at;    /* its association, or NULL */
    struct resolver_query *query;
    struct netaddr to[X400_CONN_TARGETS_MAX];
    size_t to_count, hop;
    enum x400_out_state state;
    bool announced;                /* `opened` was called */
    bool closing, aborting, waits; /* waits: ready will be called */

    const struct delivery *d;
    struct buf head;    /* as stored; then as sent */
    struct slice piece; /* of content, not yet written */
    size_t head_done;
    bool began, headed, small, granted, in_doubt;
    uint64_t left;  /* octets of the APDU not yet written */
    uint64_t bytes; /* of the APDU */
    uint64_t content_bytes;
    uint8_t *left_out; /* x400_share.h */
    /* x400_resume_out.c */
    uint64_t stored_bytes; /* of what is stored before the content */
    uint64_t noted_bytes;  /* of the last point that was noted */
    uint32_t head_crc;
    unsigned note;                         /* which is ours, and 1; 0: none */
    bool told_left_out;                    /* to the scheduler */
    bool untried;                          /* it is deferred for a reason of ours */
    uint64_t resumed_bytes, since_wall_ms; /* where it went on; when that was noted */
    struct rtse_recovery resumed_from;
    bool resumed, anew; /* it goes on; the peer does not know it any more: it does not */
    struct p1_identifier message;
    unsigned priority;
    enum p1_kind kind;
    uint32_t content_type;
    const char *status; /* of the result that comes; text: its reply */
    char text[X400_WHY_CAP];
    char remote[NETADDR_TEXT_CAP], source[NETADDR_TEXT_CAP];
};
extern const struct transport_ops x400_out_ops; /* ctx: the connector */
void x400_out_free(struct transport_session *t);
bool x400_out_has_work(const struct transport_session *t);
/* The association is open, with or without the turn; it has the turn, and nothing is under way. */
void x400_out_opened(struct transport_session *t);
void x400_out_turn(struct transport_session *t);
void x400_out_room(struct transport_session *t);
void x400_out_sent(struct transport_session *t);
void x400_out_failed(struct transport_session *t, const struct rtse_ind *ind, bool in_doubt);
/* The association is gone; end says why. */
void x400_out_lost(struct transport_session *t, const struct x400_end *end);
/* A free association: for a session that waits for one, else app/ hears of it. */
void x400_out_offer(struct x400_link *l);
/* An association of the connector's is gone: another one may be opened. */
void x400_out_wake(struct x400_connector *c);
void x400_out_end(struct transport_session *t, const struct transport_result *r);

/* ---- x400_record.c: the log record of each transfer (ICAO Doc 9880, Part II, 3.2.3) */
void x400_record_in(const struct x400_receipt *r);
void x400_record_out(const struct transport_session *t);

#endif
