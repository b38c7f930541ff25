/* app/app_ctl_x400_send.c - x400 send: an operator's message into the queue, to see it arrive
 * somewhere. It is an interpersonal message of ours, submitted as if by a user of this domain; what
 * becomes of it is told by queue list, why and the events, as of all mail. */
#include "app/app_ctl.h"
#include "core/id.h"
#include "core/ticks.h"
#include "x400/ipm.h"
#include "x400/p1_make.h"
#include "x400/p1_plan.h"
#include "x400/p1_stored.h"
#include "x400/x400_life.h"

#include <stdio.h>
#include <stdlib.h>

#define RECIPIENTS_MAX 20

struct sending {
    struct app *app;
    struct ctl_request *rq;
    msg_id id;
    char local_id[P1_LOCAL_ID_BYTES_MAX + 1];
    struct or_address from, to[RECIPIENTS_MAX];
    /* As the queue has them: routes and queue list compare texts. */
    char from_text[OR_ADDRESS_TEXT_BYTES_MAX], to_text[RECIPIENTS_MAX][OR_ADDRESS_TEXT_BYTES_MAX];
    uint32_t count;
    enum p1_priority priority;
    bool report;
    struct slice subject, text; /* of the request */
};

static void
refuse(struct ctl_request *rq, const char *message, const char *cure)
{
    ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, message, cure);
}

static struct slice
text_of(const json_t *args, const char *key)
{
    const json_t *v = json_object_get(args, key);

    return (struct slice){ json_string_value(v), json_string_length(v) };
}

/* ---- what is asked for. False: refused. */

static bool
take_address(struct sending *s, struct slice text, struct or_address *out,
    char as_text[OR_ADDRESS_TEXT_BYTES_MAX])
{
    char why[OR_ERROR_BYTES_MAX + 400];
    struct or_error error;

    if (or_address_parse(text, out, &error) == 0 && or_address_check(out, &error) == 0) {
        CHECK(or_address_text(out, OR_TEXT_SLASH, as_text, OR_ADDRESS_TEXT_BYTES_MAX) >= 0);
        return true;
    }
    (void)snprintf(why, sizeof(why), "%.*s: %s", SLICE_FMT(slice_sub(text, 0, 300)), error.text);
    refuse(s->rq, why, "Write an O/R address: /C=FR/A=ATLAS/P=PARIS/S=Dupont/");
    return false;
}

static bool
is_there(const struct sending *s, const char *text)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (strcmp(s->to_text[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool
take_recipient(struct sending *s, struct slice text)
{
    char why[OR_ADDRESS_TEXT_BYTES_MAX + 100];
    struct intake_verdict v;

    if (!take_address(s, text, &s->to[s->count], s->to_text[s->count])) {
        return false;
    }
    v = app_routes_permit(s->app->routes, slice_of(s->to_text[s->count]), OR_ROUTE_NO_CONNECTOR);
    if (v.code != 250) {
        (void)snprintf(why, sizeof(why), "%s: %s", s->to_text[s->count], v.text);
        refuse(s->rq, why, "bridgehead check shows the routes; add one to the configuration.");
        return false;
    }
    s->count += !is_there(s, s->to_text[s->count]); /* the queue has each address once */
    return true;
}

static bool
take_text(struct sending *s, const json_t *args)
{
    s->subject = text_of(args, "subject");
    s->text = text_of(args, "text");
    if (s->subject.n > IPM_SUBJECT_BYTES_MAX) {
        refuse(s->rq, "the subject has more than 128 characters", "Give a shorter one.");
        return false;
    }
    if (!ipm_is_ia5(s->subject) || !ipm_is_ia5(s->text)) {
        refuse(s->rq, "subject and text have characters that IA5 does not have", "Write ASCII.");
        return false;
    }
    return true;
}

static bool
take_priority(struct sending *s, struct slice word)
{
    static const struct {
        const char *word;
        enum p1_priority priority;
    } all[] = { { "", P1_NORMAL }, { "normal", P1_NORMAL }, { "urgent", P1_URGENT },
        { "non-urgent", P1_NON_URGENT } };

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (slice_eq(word, slice_of(all[i].word))) {
            s->priority = all[i].priority;
            return true;
        }
    }
    refuse(s->rq, "there is no such priority", "It is urgent, normal or non-urgent.");
    return false;
}

static bool
take(struct sending *s, const json_t *args)
{
    const json_t *to = json_object_get(args, "to"), *one;
    size_t i;

    s->report = json_is_true(json_object_get(args, "report"));
    if (!take_address(s, text_of(args, "from"), &s->from, s->from_text) || !take_text(s, args) ||
        !take_priority(s, text_of(args, "priority"))) {
        return false;
    }
    if (json_array_size(to) == 0 || json_array_size(to) > RECIPIENTS_MAX) {
        refuse(s->rq, "there is no recipient, or there are more than 20", "Give --to ADDRESS.");
        return false;
    }
    json_array_foreach(to, i, one)
    {
        if (!take_recipient(s, (struct slice){ json_string_value(one), json_string_length(one) })) {
            return false;
        }
    }
    return true;
}

/* ---- into the queue */

/* Envelope and content, as they are stored. */
static int
write_message(struct sending *s, struct buf *out)
{
    struct p1_made_recipient recipients[RECIPIENTS_MAX];
    const struct ipm content = { slice_of(s->local_id), s->subject, s->text };
    const struct p1_made m = { .kind = P1_MESSAGE,
        .domain = &s->app->conf->x400_domain,
        .local_id = slice_of(s->local_id),
        .originator = &s->from,
        .recipients = recipients,
        .recipient_count = s->count,
        .content_type = IPM_CONTENT_TYPE,
        .eit_bits = IPM_EIT_IA5,
        .priority = s->priority };
    int rc;

    for (uint32_t i = 0; i < s->count; i++) {
        recipients[i] = (struct p1_made_recipient){ &s->to[i],
            s->report ? P1_REPORT_ASKED : P1_NON_DELIVERY_ASKED };
    }
    rc = p1_make(out, &m);
    return rc < 0 ? rc : ipm_write(out, &content);
}

static void
on_committed(void *ctx, int status)
{
    struct sending *s = ctx;
    char id[ID_TEXT_CAP];

    if (status == 0) {
        ctl_reply(
            s->rq, 0, json_pack("{s:s,s:s}", "id", id_text(s->id, id), "message", s->local_id));
    } else {
        ctl_fail(s->rq, app_exit_code(status), 0, error_text(status),
            "Whether it is in the queue is not known; look at bridgehead status.");
    }
    free(s);
}

static int
commit(struct sending *s, struct queue_intake *in)
{
    const uint64_t now = ticks_wall_ms();
    const struct x400_life life = { .priority = s->priority,
        .expires_wall_ms = now + p1_plan_life_ms[s->priority] };
    struct envelope_recipient recipients[RECIPIENTS_MAX];
    char life_text[X400_LIFE_CAP];
    struct envelope e = { .sender = slice_of(s->from_text),
        .body = ENVELOPE_P1_MESSAGE,
        .received_wall_ms = now,
        .client = SLICE_LIT("local"),
        .recipient_count = s->count,
        .recipients = recipients };

    for (uint32_t i = 0; i < s->count; i++) {
        recipients[i] = (struct envelope_recipient){ .address = slice_of(s->to_text[i]) };
    }
    x400_life_write(&life, life_text);
    e.envid = slice_of(life_text);
    return queue_commit(in, &e, on_committed, s);
}

static int
submit(struct sending *s)
{
    struct queue_intake *in;
    struct buf stored;
    int rc = queue_begin(s->app->queue, NULL, NULL, &in, &s->id);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(s->local_id, sizeof(s->local_id), "BH-%llx-%llx", (unsigned long long)s->id,
        (unsigned long long)ticks_wall_ms() / 1000);
    buf_init(&stored, P1_STORED_BYTES_MAX);
    rc = write_message(s, &stored);
    rc = rc < 0 ? rc : queue_append(in, buf_slice(&stored));
    buf_fini(&stored);
    if (rc < 0) {
        queue_abort(in);
        return rc;
    }
    return commit(s, in);
}

void
app_ctl_x400_send(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct app *a = ctx;
    struct sending *s;
    int rc;

    if (!app_ctl_need_queue(a, rq)) {
        return;
    }
    if (a->x400 == NULL || !a->role.may_accept) {
        refuse(rq, a->x400 == NULL ? "nothing of X.400 is configured here" : "no mail is taken now",
            "Look at bridgehead check and bridgehead status.");
        return;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        refuse(rq, "out of memory", "Ask again.");
        return;
    }
    s->app = a;
    s->rq = rq;
    if (!take(s, args)) {
        free(s);
        return;
    }
    rc = submit(s);
    if (rc < 0) {
        ctl_fail(rq, app_exit_code(rc), 0, error_text(rc),
            rc == -ENOSPC ? "Make room on the store's filesystem, then send again."
                          : "Nothing was sent; look at bridgehead status.");
        free(s);
    }
}
