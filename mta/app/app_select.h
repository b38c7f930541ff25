/* app/app_select.h - which messages an operator's command is about: ids, or selectors that must all
 * match, from a cursor on. Pure but for struct select_source.
 *
 * No step looks at more than SELECT_SCAN_MAX messages (many recipients count as more), so that a
 * queue of millions never holds up a session: what is left is for the next question, with the
 * cursor of this one's answer.
 */
#ifndef APP_APP_SELECT_H
#define APP_APP_SELECT_H

#include "queue/queue.h"
#include <jansson.h>

#define SELECT_SCAN_MAX 5000
#define SELECTORS_MAX   16
#define SELECT_TEXT_CAP 160

struct select_source {
    void *ctx;
    struct queue_message *(*find)(void *ctx, msg_id id);
    struct queue_message *(*after)(void *ctx, msg_id id); /* 0: the first */
    /* The connector a live recipient waits for, or NULL. */
    const char *(*connector)(void *ctx, const struct queue_message *m, uint32_t recipient);
    uint64_t now_wall_ms;
};

struct selector {
    enum selector_kind {
        SEL_ALL,
        SEL_IN_DOUBT,
        SEL_STATE,
        SEL_DOMAIN,
        SEL_CONNECTOR,
        SEL_SENDER,
        SEL_RECIPIENT,
        SEL_OLDER,
        SEL_LARGER
    } kind;
    struct slice text;
    uint64_t number;
    bool is_or; /* text is an O/R address, number its hash */
};

struct selection {
    struct select_source source;
    const json_t *ids; /* the request's; not empty: selectors do not count */
    struct selector selectors[SELECTORS_MAX];
    size_t selector_count;
    uint64_t at; /* the cursor: the last message looked at, or how many ids */
    unsigned scanned;
    bool ended;
    unsigned unknown; /* ids that are not (or no longer) in the queue */
};

/* args: {"ids": […], "selectors": […], "cursor": "…"}, all optional; it must outlive the selection.
 * BH_ESYNTAX: text and *cure say what is wrong. */
int selection_begin(struct selection *s, const struct select_source *source, const json_t *args,
    char text[SELECT_TEXT_CAP], const char **cure) MUST_USE;
bool selection_named(const struct selection *s);  /* anything at all */
bool selection_by_ids(const struct selection *s); /* each message by its own name */
/* The next one, or NULL: nothing more for this answer. The message may be gone before the next
 * call. */
struct queue_message *selection_next(struct selection *s);
/* Adds "cursor" to an answer that is not the last. */
void selection_add_cursor(const struct selection *s, json_t *body);

/* "queued", "deferred", "held", "in-doubt", "delivered", "failed", "expanded", "removed" */
const char *select_recipient_state(const struct queue_message *m, const struct queue_recipient *r);

#endif
