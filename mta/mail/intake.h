/* mail/intake.h - how a protocol hands a message in. A struct of function pointers that app/ fills;
 * smtp/ and x400/ test against a fake one. All on the loop's thread.
 *
 * The invariant: commit's callback with status 0 is the only permission to acknowledge (250 to the
 * final dot).
 */
#ifndef MAIL_INTAKE_H
#define MAIL_INTAKE_H

#include "core/netaddr.h"
#include "mail/envelope.h"

/* Who hands in. Slices live as long as the session. */
struct intake_client {
    struct netaddr address;
    struct slice helo;
    struct slice listener; /* the listener's name in the config */
    /* The X.400 connector that the association was matched to (name and password were right): it
     * may relay to every address that has a route. Empty: SMTP. */
    struct slice connector;
};

/* An answer for one recipient. code 250 accepts. text is static or lives until the next call. */
struct intake_verdict {
    int code;           /* 250, 450, 451, 452, 550, 551, 553, 554 */
    const char *status; /* RFC 3463, "2.1.5" */
    const char *text;
};

/* A transaction that came before. */
struct intake_known {
    uint64_t id;         /* of its message */
    uint64_t size_bytes; /* of content, as the client sent it */
};

/* A message of which a part came: see secure. Slices live until the next call of intake's. */
struct intake_part {
    uint64_t id; /* the message will have it */
    uint64_t size_bytes;
    struct slice key, state;
};

struct intake_message; /* one being received */
typedef void intake_resume_fn(void *ctx);
typedef void intake_commit_fn(void *ctx, int status);

struct intake_ops {
    /* May this client send to this recipient, and where would it go? (relay control, routing)
     * Synchronous, no I/O. */
    struct intake_verdict (*recipient)(
        void *ctx, const struct intake_client *client, struct slice sender, struct slice recipient);
    /* May new mail come now? 0; BH_ESTATE (draining, recovering, quorum lost: 421), -ENOSPC
     * (452 4.3.1). Also asked at MAIL with SIZE. */
    int (*ready)(void *ctx, uint64_t size_bytes);
    /* May this client name its transactions (RFC 1845)? Memory is kept for them. */
    bool (*checkpoint)(void *ctx, const struct intake_client *client);
    /* Did the transaction of this name (envelope.transid) come before? 0: no; 1: yes, *out;
     * BH_EBUSY: it is under way; -EAGAIN: that is not known yet, ask again soon. */
    int (*known)(void *ctx, struct slice transid, struct intake_known *out);
    /* Was it accepted for this recipient? */
    bool (*known_for)(void *ctx, struct slice transid, struct slice recipient);
    /* The client of this transaction went on to another: it will not come again with it. */
    void (*settled)(void *ctx, struct slice transid);
    /* Begin a message; resume is called when writing may go on after a pause. -ENOMEM, -ENOSPC,
     * BH_ESTATE. *id for the Received line. */
    int (*open)(void *ctx, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out,
        uint64_t *id);
    /* Append content, CRLF line ends, dots unstuffed. 0; 1: taken, but wait for resume; <0: failed,
     * abort it. The bytes are copied. */
    int (*write)(struct intake_message *m, struct slice bytes);
    /* Make it durable; m is consumed. 0 and cb exactly once, later; or <0 and cb never (m is
     * aborted). cb status 0: durable under our ownership: acknowledge. <0: durability unknown: 451,
     * and close if BH_EFENCED or -EIO. -EEXIST: a transaction of this name came in between. */
    int (*commit)(
        struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx);
    /* Give up a message not committed. */
    void (*abort)(struct intake_message *m);
    /* The session that waits for cb is gone: cb will not run. The message stays as it is (durable
     * or not). */
    void (*forget)(void *ctx, intake_commit_fn *cb, void *cb_ctx);

    /* Parts: what came of a long message survives the session's end, and ours. NULL, all of them:
     * there are none. What may be lost with one is only the work of sending its octets again. */
    /* cb status 0: all that was written so far is durable, with key (whose it is) and state (what
     * is needed to go on); it takes the place of what was secured before. Errors and cb as
     * commit's, but m stays. commit makes the message of it, abort forgets it. */
    int (*secure)(struct intake_message *m, struct slice key, struct slice state,
        intake_commit_fn *cb, void *ctx);
    /* m is consumed; what was secured waits for reopen, here or with the next owner. */
    void (*suspend)(struct intake_message *m);
    /* Those that wait, by id; the first behind after. 1, 0: no more; -EAGAIN: not known yet. */
    int (*part)(void *ctx, uint64_t after, struct intake_part *out);
    /* Go on with it: the next octet is that at its size_bytes. BH_ENOTFOUND; BH_EBUSY: soon again;
     * BH_EDAMAGED; else as open. */
    int (*reopen)(void *ctx, uint64_t id, intake_resume_fn *resume, void *resume_ctx,
        struct intake_message **out);
    void (*drop)(void *ctx, uint64_t id); /* nobody will go on with it */
};

struct intake {
    const struct intake_ops *ops;
    void *ctx;
};

#endif
