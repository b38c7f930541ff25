/* app/app_conf_x400.c - the X.400 part of the configuration: which keys belong to which protocol,
 * selectors, passwords, schedules, address spaces, and whether connectors can be told apart. */
#include "app/app_conf_pass.h"
#include "core/io.h"
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX 64
/* Two passwords for each connector, with the line ends that are read over. */
#define SECRETS_BYTES ((size_t)APP_CONNECTORS_MAX * 2 * (P1_PASSWORD_BYTES_MAX + 2))

/* A connector whose keys are being taken. */
struct taking {
    struct pass *p;
    struct app_connector *o;
    struct slice name;
};

/* "connector.paris.rtse.window" */
static const char *
key_of(const struct taking *t, char out[APP_KEY_CAP], const char *leaf)
{
    return app_conf_key(out, "connector", t->name, leaf);
}

static uint64_t
number_of(const struct taking *t, const char *leaf)
{
    char key[APP_KEY_CAP];

    return conf_uint(t->p->c->conf, key_of(t, key, leaf));
}

static bool
is_set(const struct taking *t, const char *leaf)
{
    char key[APP_KEY_CAP];

    return conf_is_set(t->p->c->conf, key_of(t, key, leaf));
}

/* ---- which keys belong to which protocol */

static const char *const smtp_keys[] = { "concurrency", "limit", "recipients",
    "messages_per_session", "idle", "greeting_timeout", "command_timeout", "data_init_timeout",
    "data_block_timeout", "data_done_timeout" };
static const char *const x400_keys[] = { "mode", "local", "remote", "rtse", "associations", "open",
    "transfer", "expire", "schedule", "message_size", "strip_internal_trace", "strip_bilateral",
    "relabel_content" };

static void
check_keys(const struct taking *t)
{
    bool x400 = t->o->protocol == APP_X400;
    const char *const *foreign = x400 ? smtp_keys : x400_keys;
    size_t count = x400 ? ARRAY_LEN(smtp_keys) : ARRAY_LEN(x400_keys);
    char key[APP_KEY_CAP];

    for (size_t i = 0; i < count; i++) {
        if (is_set(t, foreign[i])) {
            app_conf_fault(t->p, key_of(t, key, foreign[i]),
                x400 ? "Remove it; x400 has associations, transfer and open for that."
                     : "Remove it, or use protocol = \"x400\".",
                "is not a key of an %s connector",
                x400                         ? "x400"
                : t->o->protocol == APP_LMTP ? "lmtp"
                                             : "smtp");
        }
    }
}

static void
need_group(struct pass *p, const char *key)
{
    if (!conf_is_set(p->c->conf, "x400") && !p->said_x400) {
        p->said_x400 = true;
        app_conf_fault(p, key,
            "Add x400 = { domain = \"/C=GB/A=TEST/P=LONDON/\"; mta = \"LONDON\"; };",
            "x400 needs the group x400: the names of this MTA");
    }
}

void
app_conf_check_listener_keys(struct pass *p, const struct app_listener *l)
{
    struct slice name = slice_of(l->name);
    char key[APP_KEY_CAP];

    if (l->protocol == APP_SMTP) {
        if (l->port == 0) {
            app_conf_fault(p, app_conf_key(key, "listener", name, "protocol"),
                "Add port = 25, or another one.", "smtp needs a port");
        }
        return;
    }
    need_group(p, app_conf_key(key, "listener", name, "protocol"));
    if (conf_is_set(p->c->conf, app_conf_key(key, "listener", name, "checkpoint"))) {
        app_conf_fault(p, key, "Remove it; x400 has rtse.checkpoint in its connectors.",
            "is not a key of an x400 listener");
    }
}

/* ---- names */

static bool
is_visible(struct slice s) /* IA5 without control characters */
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~') {
            return false;
        }
    }
    return true;
}

static void
take_mta(struct pass *p, const char *key, char out[P1_MTA_NAME_BYTES_MAX + 1])
{
    struct slice s = conf_string(p->c->conf, key);

    if (!is_visible(s) || slice_copy(s, out, P1_MTA_NAME_BYTES_MAX + 1) < 0) {
        app_conf_fault(p, key, "Use printable ASCII characters.", "is no MTA name");
    }
}

static void
take_text(const struct or_address *a, enum or_attribute which, struct p1_text *out)
{
    struct slice s = or_address_value(a, which, OR_PRINTABLE);

    out->given = (a->there & (1u << which)) != 0;
    out->n = (uint8_t)MIN(s.n, sizeof(out->octets)); /* or_address has the bounds: 3 and 16 */
    memcpy(out->octets, s.n > 0 ? s.p : "", out->n);
}

static void
take_domain(struct pass *p)
{
    static const char cure[] = "Write /C=GB/A=TEST/P=LONDON/ with the names of your own domain.";
    const uint32_t names = 1u << OR_C | 1u << OR_A | 1u << OR_P;
    struct p1_domain *d = &p->c->x400_domain;
    struct or_address a;
    struct or_error error;

    if (or_address_parse(conf_string(p->c->conf, "x400.domain"), &a, &error) < 0) {
        app_conf_fault(p, "x400.domain", cure, "%s", error.text);
        return;
    }
    if ((a.there & ~names) != 0 || (a.there & 1u << OR_C) == 0 || (a.there & 1u << OR_A) == 0) {
        app_conf_fault(p, "x400.domain", cure,
            "a domain identifier has C and A, and P if it is a private one, and nothing else");
        return;
    }
    take_text(&a, OR_C, &d->country);
    take_text(&a, OR_A, &d->admd);
    take_text(&a, OR_P, &d->prmd);
}

void
app_conf_take_x400(struct pass *p)
{
    const struct conf *conf = p->c->conf;

    if (!conf_is_set(conf, "x400")) {
        return;
    }
    if (!conf_is_set(conf, "x400.domain") || !conf_is_set(conf, "x400.mta")) {
        app_conf_fault(p, "x400", "Write domain = \"/C=GB/A=TEST/P=LONDON/\"; mta = \"LONDON\";",
            "domain and mta are both required");
        return;
    }
    take_domain(p);
    take_mta(p, "x400.mta", p->c->x400_mta);
}

/* ---- one side */

static int
read_hex(struct slice text, struct x400_selector *out)
{
    uint64_t octet;

    if (text.n % 2 != 0 || text.n / 2 > sizeof(out->octets)) {
        return BH_ESYNTAX;
    }
    for (size_t i = 0; i < text.n; i += 2) {
        if (slice_hex_u64(slice_sub(text, i, 2), &octet) < 0) {
            return BH_ESYNTAX;
        }
        out->octets[i / 2] = (char)octet;
    }
    out->n = (uint8_t)(text.n / 2);
    return 0;
}

/* side "local", which "tsel". Lengths are the table's. */
static void
take_selector(
    const struct taking *t, const char *side, const char *which, struct x400_selector *out)
{
    char leaf[32], key[APP_KEY_CAP], hex_key[APP_KEY_CAP];
    struct slice text, hex;

    (void)snprintf(leaf, sizeof(leaf), "%s.%s", side, which);
    text = conf_string(t->p->c->conf, key_of(t, key, leaf));
    (void)snprintf(leaf, sizeof(leaf), "%s.%s_hex", side, which);
    hex = conf_string(t->p->c->conf, key_of(t, hex_key, leaf));
    if (text.n > 0 && hex.n > 0) {
        app_conf_fault(
            t->p, hex_key, "Keep one of the two.", "%s.%s is given as text as well", side, which);
    } else if (hex.n > 0 && read_hex(hex, out) < 0) {
        app_conf_fault(t->p, hex_key, "Write two digits 0-9 or A-F for each octet, like 70617231.",
            "\"%.*s\" is not hexadecimal octets", SLICE_FMT(hex));
    } else if (!is_visible(text) || text.n > sizeof(out->octets)) {
        app_conf_fault(t->p, key, "Use the key that ends in _hex for other octets.",
            "a character is not printable ASCII");
    } else if (text.n > 0) {
        memcpy(out->octets, text.p, text.n);
        out->n = (uint8_t)text.n;
    }
    if (out->n > 0 && strcmp(which, "psel") == 0 && t->o->x400->protocol != P1_1988_NORMAL) {
        app_conf_fault(t->p, text.n > 0 ? key : hex_key, "Remove it, or use mode = \"normal\".",
            "modes x410 and 1984 have no P-selector");
    }
}

/* Can the account that the server runs under read what is not readable for everyone? Asked where
 * root reads it, who can read all: at a reload it would be too late to find out. */
static bool
account_may_read(const char *user, const struct io_stat *st)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam(user) : NULL;
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;

    if (pw == NULL || pw->pw_uid == 0) { /* no such account: the keeper has a fault of its own */
        return true;
    }
    if (st->uid == pw->pw_uid) {
        return (st->mode & S_IRUSR) != 0;
    }
    count = getgrouplist(user, pw->pw_gid, groups, &count) < 0 ? GROUPS_MAX : count;
    for (int i = 0; i < count; i++) {
        if (groups[i] == st->gid) {
            return (st->mode & S_IRGRP) != 0;
        }
    }
    return false;
}

static void
take_password(const struct taking *t, const char *side, struct slice *out)
{
    struct app_conf *c = t->p->c;
    char leaf[32], key[APP_KEY_CAP], path[APP_PATH_CAP], cure[APP_PATH_CAP + 128];
    struct io_stat st;
    int rc;

    (void)snprintf(leaf, sizeof(leaf), "%s.password_file", side);
    if (slice_copy(conf_string(c->conf, key_of(t, key, leaf)), path, sizeof(path)) < 0 ||
        path[0] == '\0') {
        return;
    }
    (void)snprintf(cure, sizeof(cure),
        "Make it one line of at most %d octets: chown root:%s %s; chmod 640 %s",
        P1_PASSWORD_BYTES_MAX, c->user, path, path);
    if (path[0] != '/') {
        app_conf_fault(t->p, key, "Write an absolute path.", "\"%s\" is not absolute", path);
        return;
    }
    rc = io_stat(path, &st);
    if (rc == 0 && !st.is_file) { /* a FIFO would be waited for */
        app_conf_fault(t->p, key, cure, "%s is not a file", path);
    } else if (rc == 0 && (st.mode & S_IRWXO) != 0) {
        app_conf_fault(
            t->p, key, cure, "%s is open to everyone (mode %04o)", path, st.mode & 07777);
    } else if (rc == 0 && !account_may_read(c->user, &st)) {
        app_conf_fault(
            t->p, key, cure, "the account %s of the server cannot read %s", c->user, path);
    } else {
        rc = rc == 0 ? secrets_read_line(c->secrets, path, P1_PASSWORD_BYTES_MAX, out) : rc;
        if (rc < 0) {
            app_conf_fault(t->p, key, cure, "%s cannot be used: %s", path,
                rc == BH_ESYNTAX ? "it is empty, or has more than one line" : error_text(rc));
        }
    }
}

static void
take_side(const struct taking *t, const char *side, struct app_x400_side *out)
{
    char leaf[32], key[APP_KEY_CAP];

    (void)snprintf(leaf, sizeof(leaf), "%s.mta", side);
    if (is_set(t, leaf)) {
        take_mta(t->p, key_of(t, key, leaf), out->mta);
    } else if (out == &t->o->x400->local) {
        memcpy(out->mta, t->p->c->x400_mta, sizeof(out->mta));
    } else {
        app_conf_fault(t->p, key_of(t, key, "protocol"),
            "Add remote = { mta = \"…\"; }; empty for peers that give no name.",
            "x400 needs remote.mta, the name that the peer has to give");
    }
    take_password(t, side, &out->password);
    if (out->mta[0] == '\0' && out->password.n > 0) {
        (void)snprintf(leaf, sizeof(leaf), "%s.password_file", side);
        app_conf_fault(t->p, key_of(t, key, leaf), "Give the name too, or remove the password.",
            "a password without an MTA name");
    }
    take_selector(t, side, "tsel", &out->selectors.t);
    take_selector(t, side, "ssel", &out->selectors.s);
    take_selector(t, side, "psel", &out->selectors.p);
}

/* Where the peer calls from; behind both sides. */
static void
take_from(const struct taking *t)
{
    const struct conf *conf = t->p->c->conf;
    struct app_x400 *x = t->o->x400;
    const struct x400_selectors *ours = &x->local.selectors;
    bool called = ours->t.n > 0 || (x->protocol == P1_1988_NORMAL && ours->s.n + ours->p.n > 0);
    char key[APP_KEY_CAP];

    key_of(t, key, "remote.from");
    for (size_t i = 0; i < conf_strings_count(conf, key); i++) {
        struct slice text = conf_strings_at(conf, key, i);

        if (netaddr_parse_prefix(text, &x->from[x->from_count]) < 0) {
            app_conf_fault(t->p, key, "Write ADDRESS/BITS with no bits set behind the prefix.",
                "\"%.*s\" is not a network", SLICE_FMT(text));
        } else {
            x->from_count++;
        }
    }
    if (is_set(t, "remote.mta") && x->remote.mta[0] == '\0' && x->remote.password.n == 0 &&
        !called && conf_strings_count(conf, key) == 0) {
        app_conf_fault(t->p, key_of(t, key, "remote.mta"),
            "Give a local.tsel that the peer calls, or remote.from, the networks it calls from.",
            "whoever calls without a name would be let in: remote.mta is empty, and local has no "
            "selector%s",
            x->protocol == P1_1988_NORMAL ? "" : " that has to be given in this mode");
    }
}

/* ---- the rest of a connector */

static void
take_calling(const struct taking *t)
{
    struct x400_schedule *s = &t->o->x400->schedule;
    const struct conf *conf = t->p->c->conf;
    char key[APP_KEY_CAP];
    const char *why = "";

    key_of(t, key, "schedule");
    for (size_t i = 0; i < conf_strings_count(conf, key); i++) {
        struct slice text = conf_strings_at(conf, key, i);

        if (x400_schedule_add(s, text, &why) < 0) {
            app_conf_fault(t->p, key,
                "Write always, never, remote-initiated, or windows like Mon-Fri 08:00-18:00.",
                "\"%.*s\": %s", SLICE_FMT(text), why);
        }
    }
    if (s->kind == X400_REMOTE_INITIATED && !t->o->x400->two_way) {
        app_conf_fault(t->p, key, "Set rtse = { dialogue = \"twa\"; } on both sides.",
            "remote-initiated needs a peer that gives us the turn");
    }
    if (t->o->hop_count == 0 && (s->kind == X400_ALWAYS || s->kind == X400_WINDOWS) &&
        !is_set(t, "next_hop")) {
        app_conf_fault(t->p, key_of(t, key, "protocol"), "Add next_hop, or schedule = [\"never\"].",
            "x400 needs a next_hop to call");
    }
}

static void
take_numbers(const struct taking *t)
{
    static const char *const words[APP_PRIORITIES] = {
        [P1_NORMAL] = "normal", [P1_NON_URGENT] = "non_urgent", [P1_URGENT] = "urgent"
    };
    struct app_x400 *x = t->o->x400;
    char leaf[32];

    x->checkpoint = (uint32_t)number_of(t, "rtse.checkpoint");
    x->window = (uint32_t)number_of(t, "rtse.window");
    x->recovery_ms = number_of(t, "rtse.recovery");
    x->association_limit = (uint32_t)number_of(t, "associations.limit");
    x->association_incoming = (uint32_t)number_of(t, "associations.incoming");
    x->association_threshold = (uint32_t)number_of(t, "associations.threshold");
    x->association_idle_ms = number_of(t, "associations.idle");
    x->open_retries = (uint32_t)number_of(t, "open.retries");
    x->open_interval_ms = number_of(t, "open.interval");
    x->transfer_retries = (uint32_t)number_of(t, "transfer.retries");
    x->transfer_interval_ms = number_of(t, "transfer.interval");
    x->message_bytes_max = is_set(t, "message_size")
                               ? number_of(t, "message_size")
                               : conf_uint(t->p->c->conf, "limits.message_size");
    for (size_t i = 0; i < APP_PRIORITIES; i++) {
        (void)snprintf(leaf, sizeof(leaf), "transfer.%s", words[i]);
        x->kib_ms[i] = number_of(t, leaf);
        (void)snprintf(leaf, sizeof(leaf), "expire.%s", words[i]);
        x->expire_ms[i] = number_of(t, leaf);
    }
}

int
app_conf_take_connector_x400(struct pass *p, struct app_connector *o)
{
    static const enum p1_protocol modes[] = { P1_1988_NORMAL, P1_1988_X410, P1_1984 };
    const struct taking t = { p, o, slice_of(o->name) };
    char key[APP_KEY_CAP];

    check_keys(&t);
    if (o->protocol != APP_X400) {
        return 0;
    }
    if (p->c->secrets == NULL) {
        int rc = secrets_new(&p->c->secrets, SECRETS_BYTES);

        if (rc < 0) {
            return rc;
        }
    }
    o->x400 = calloc(1, sizeof(*o->x400));
    if (o->x400 == NULL) {
        return -ENOMEM;
    }
    need_group(p, key_of(&t, key, "protocol"));
    o->x400->protocol = modes[conf_enum(p->c->conf, key_of(&t, key, "mode"))];
    o->x400->two_way = conf_enum(p->c->conf, key_of(&t, key, "rtse.dialogue")) == 1;
    o->x400->recover = conf_bool(p->c->conf, key_of(&t, key, "rtse.recover"));
    o->x400->strip_internal = conf_bool(p->c->conf, key_of(&t, key, "strip_internal_trace"));
    o->x400->strip_bilateral = conf_bool(p->c->conf, key_of(&t, key, "strip_bilateral"));
    o->x400->relabel = conf_bool(p->c->conf, key_of(&t, key, "relabel_content"));
    take_numbers(&t);
    o->concurrency = o->limit = o->x400->association_limit; /* there is one destination */
    o->idle_ms = o->x400->association_idle_ms;
    take_calling(&t);
    take_side(&t, "local", &o->x400->local);
    take_side(&t, "remote", &o->x400->remote);
    take_from(&t);
    return 0;
}

struct x400_expected
app_x400_expected(const struct app_x400 *x)
{
    return (struct x400_expected){ .called = x->local.selectors,
        .mta_name = slice_of(x->remote.mta),
        .password = x->remote.password,
        .protocol = x->protocol };
}

void
app_conf_check_connectors_x400(struct pass *p)
{
    const struct app_conf *c = p->c;
    char key[APP_KEY_CAP];

    for (size_t i = 0; i < c->connector_count; i++) {
        for (size_t j = 0; c->connectors[i].x400 != NULL && j < i; j++) {
            struct x400_expected a, b;

            if (c->connectors[j].x400 == NULL) {
                continue;
            }
            a = app_x400_expected(c->connectors[j].x400);
            b = app_x400_expected(c->connectors[i].x400);
            if (x400_match_ambiguous(&a, &b)) {
                app_conf_fault(p,
                    app_conf_key(key, "connector", slice_of(c->connectors[i].name), "remote.mta"),
                    "Give one of them another local.tsel, which its peer then calls, or another "
                    "remote.mta or password.",
                    "an incoming association cannot be told from one of connector %s: the same "
                    "called selectors, MTA name and password",
                    c->connectors[j].name);
                break;
            }
        }
    }
}

/* ---- routes */

void
app_conf_check_route(struct pass *p, size_t index)
{
    const struct app_route *r = &p->c->routes[index];
    char key[64];

    (void)snprintf(key, sizeof(key), "route[%zu].via", index);
    for (size_t i = 0; i < r->via_count; i++) {
        const struct app_connector *o = &p->c->connectors[r->via[i]];

        if (r->is_or && o->protocol != APP_X400) {
            app_conf_fault(p, key, "Name an x400 connector; there is no gateway to SMTP.",
                "O/R addresses cannot go by %s, which is no x400 connector", o->name);
        } else if (!r->is_or && o->protocol == APP_X400) {
            app_conf_fault(p, key,
                "Write the address space: to = \"/C=FR/A=ATLAS/\"; there is no gateway from SMTP.",
                "a domain's mail cannot go by the x400 connector %s", o->name);
        }
    }
}
