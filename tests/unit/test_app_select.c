#include "app/app_select.h"
#include "test_main.h"
#include <stdio.h>

#define MESSAGES_MAX 12000
#define NOW          ((uint64_t)1000000000)
#define EIGHT        "\"all\",\"all\",\"all\",\"all\",\"all\",\"all\",\"all\",\"all\","
#define SEVENTEEN    ("{\"selectors\": [" EIGHT EIGHT "\"all\"]}")

/* A queue in an array: message i has id i + 1. */
struct rig {
    struct queue_message *messages;
    struct queue_recipient *recipients;
    size_t count;
    unsigned looked;
    const char *connector;
};

static struct queue_message *
find(void *ctx, msg_id id)
{
    struct rig *r = ctx;

    return id >= 1 && id <= r->count ? &r->messages[id - 1] : NULL;
}

static struct queue_message *
after(void *ctx, msg_id id)
{
    struct rig *r = ctx;

    r->looked++;
    return id < r->count ? &r->messages[id] : NULL;
}

static const char *
connector(void *ctx, const struct queue_message *m, uint32_t recipient)
{
    const struct rig *r = ctx;

    (void)m;
    (void)recipient;
    return r->connector;
}

static void
rig_start(struct rig *r, size_t count)
{
    *r = (struct rig){ .count = count, .connector = "up" };
    r->messages = calloc(count + 1, sizeof(*r->messages));
    r->recipients = calloc(2 * count + 1, sizeof(*r->recipients));
    CU_ASSERT_FATAL(r->messages != NULL && r->recipients != NULL);
    for (size_t i = 0; i < count; i++) {
        r->recipients[2 * i].address = SLICE_LIT("a@one.example");
        r->recipients[2 * i + 1].address = SLICE_LIT("b@two.example");
        r->messages[i] = (struct queue_message){ .id = i + 1,
            .sender = SLICE_LIT("s@example.org"),
            .received_wall_ms = NOW - 60000,
            .size_bytes = 5000,
            .recipient_count = 2,
            .live_count = 2,
            .recipients = &r->recipients[2 * i] };
    }
}

static void
rig_stop(struct rig *r)
{
    free(r->messages);
    free(r->recipients);
}

static int
begin(struct selection *s, struct rig *r, const json_t *args, char text[SELECT_TEXT_CAP])
{
    struct select_source source = {
        .ctx = r, .find = find, .after = after, .connector = connector, .now_wall_ms = NOW
    };
    const char *cure = "";
    int rc = selection_begin(s, &source, args, text, &cure);

    CU_ASSERT(rc == 0 || (text[0] != '\0' && cure[0] != '\0'));
    return rc;
}

static size_t
count_of(struct rig *r, const char *json)
{
    json_t *args = json_loads(json, 0, NULL);
    char text[SELECT_TEXT_CAP] = "";
    struct selection s;
    size_t n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(args);
    CU_ASSERT_EQUAL_FATAL(begin(&s, r, args, text), 0);
    while (selection_next(&s) != NULL) {
        n++;
    }
    CU_ASSERT_TRUE(s.ended);
    json_decref(args);
    return n;
}

static void
each_selector_tells_messages_apart(void)
{
    static const struct {
        const char *args;
        size_t want;
    } rows[] = {
        { "{}", 3 },
        { "{\"selectors\": [\"all\"]}", 3 },
        { "{\"selectors\": [\"in-doubt\"]}", 1 },
        { "{\"selectors\": [\"state=held\"]}", 1 },
        { "{\"selectors\": [\"state=deferred\"]}", 1 },
        { "{\"selectors\": [\"state=in-doubt\"]}", 1 },
        { "{\"selectors\": [\"state=delivered\"]}", 1 },
        { "{\"selectors\": [\"state=queued\"]}", 1 },
        { "{\"selectors\": [\"domain=one.example\"]}", 3 },
        { "{\"selectors\": [\"domain=ONE.example\"]}", 3 },
        { "{\"selectors\": [\"domain=example\"]}", 0 },
        { "{\"selectors\": [\"recipient=c@three.example\"]}", 1 },
        { "{\"selectors\": [\"recipient=/C=XX/A=ICAO/P=SWITZ/O=LS/CN=LSZHZTZX/\"]}", 1 },
        { "{\"selectors\": [\"recipient=/CN=lszhztzx/O=LS/PRMD=SWITZ/ADMD=icao/C=XX/\"]}", 1 },
        { "{\"selectors\": [\"recipient=CN=LSZHZTZX;O=LS;P=SWITZ;A=ICAO;C=XX\"]}", 1 },
        { "{\"selectors\": [\"recipient=/C=XX/A=ICAO/P=SWITZ/O=LS/CN=LSZHZTZY/\"]}", 0 },
        { "{\"selectors\": [\"recipient=/C=XX/A=ICAO/P=SWITZ/O=LS/\"]}", 0 },
        { "{\"selectors\": [\"domain=ICAO\"]}", 0 },
        { "{\"selectors\": [\"sender=S=Pilot;A=ICAO;C=XX\"]}", 0 },
        { "{\"selectors\": [\"connector=up\"]}", 3 },
        { "{\"selectors\": [\"connector=u\"]}", 0 },
        { "{\"selectors\": [\"sender=S@example.org\"]}", 2 },
        { "{\"selectors\": [\"sender=<>\"]}", 1 },
        { "{\"selectors\": [\"older=59s\"]}", 3 },
        { "{\"selectors\": [\"older=60s\"]}", 0 },
        { "{\"selectors\": [\"larger=4999B\"]}", 3 },
        { "{\"selectors\": [\"larger=5000B\"]}", 0 },
        { "{\"selectors\": [\"state=held\", \"sender=s@example.org\"]}", 1 },
        { "{\"selectors\": [\"state=held\", \"sender=<>\"]}", 0 },
        { "{\"ids\": [\"1\", \"3\"]}", 2 },
        { "{\"ids\": [\"2\", \"nonsense\", \"FFFF\", 7, null]}", 1 },
        { "{\"ids\": [], \"selectors\": [\"all\"]}", 3 },
    };
    struct rig r;

    rig_start(&r, 3);
    r.messages[0].held = true; /* both its recipients */
    r.recipients[2].attempts = 1;
    r.recipients[3].in_doubt = true;
    r.recipients[4].state = RECIPIENT_DELIVERED;
    r.recipients[5].address = SLICE_LIT("c@three.example");
    r.recipients[4].address = SLICE_LIT("c@one.example");
    r.recipients[0].address = SLICE_LIT("/C=XX/A=ICAO/P=SWITZ/O=LS/CN=LSZHZTZX/");
    r.recipients[1].address = SLICE_LIT("d@one.example");
    r.recipients[2].address = SLICE_LIT("d@one.example");
    r.messages[2].sender = SLICE_NONE;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = count_of(&r, rows[i].args);

        if (n != rows[i].want) {
            printf("\n%s: %zu, not %zu", rows[i].args, n, rows[i].want);
            CU_FAIL("a selector");
        }
    }
    r.connector = NULL; /* no route */
    CU_ASSERT_EQUAL(count_of(&r, "{\"selectors\": [\"connector=up\"]}"), 0);
    rig_stop(&r);
}

static void
what_is_no_selector_is_refused_with_a_cure(void)
{
    const char *const rows[] = {
        "{\"selectors\": [\"colour=blue\"]}",
        "{\"selectors\": [\"\"]}",
        "{\"selectors\": [\"recipient=/C=FRA/A=ATLAS/S=x/\"]}",
        "{\"selectors\": [\"ALL\"]}",
        "{\"selectors\": [\"allx\"]}",
        "{\"selectors\": [\"state=defered\"]}",
        "{\"selectors\": [\"state=\"]}",
        "{\"selectors\": [\"older=soon\"]}",
        "{\"selectors\": [\"older=\"]}",
        "{\"selectors\": [\"larger=-1\"]}",
        "{\"selectors\": [7]}",
        "{\"selectors\": [null]}",
        "{\"selectors\": [[\"all\"]]}",
        "{\"cursor\": \"not hex\"}",
        "{\"cursor\": \"\"}",
        "{\"cursor\": 7}",
        /* one more than there may be */
        SEVENTEEN,
    };
    struct rig r;

    rig_start(&r, 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *args = json_loads(rows[i], 0, NULL);
        char text[SELECT_TEXT_CAP] = "";
        struct selection s;

        CU_ASSERT_PTR_NOT_NULL_FATAL(args);
        CU_ASSERT_EQUAL(begin(&s, &r, args, text), BH_ESYNTAX);
        json_decref(args);
    }
    rig_stop(&r);
}

static void
a_selector_of_many_bytes_is_named_in_valid_text(void)
{
    char long_one[400];
    json_t *args;
    char text[SELECT_TEXT_CAP] = "";
    struct selection s;
    struct rig r;

    for (size_t i = 0; i + 2 < sizeof(long_one); i += 2) {
        memcpy(long_one + i, "\xC3\xA4", 3);
    }
    rig_start(&r, 1);
    args = json_pack("{s:[s]}", "selectors", long_one);
    CU_ASSERT_PTR_NOT_NULL_FATAL(args);
    CU_ASSERT_EQUAL(begin(&s, &r, args, text), BH_ESYNTAX);
    for (const char *p = text; *p != '\0'; p++) {
        CU_ASSERT_TRUE(*p >= ' ' && *p <= '~');
    }
    json_decref(args);
    rig_stop(&r);
}

/* Follows the cursors as the command does; each message exactly once. */
static unsigned
pages_of(struct rig *r, const char *selector, size_t page_max, size_t *matched)
{
    json_t *args = json_pack("{s:[s]}", "selectors", selector);
    bool *seen = calloc(r->count + 1, sizeof(*seen));
    unsigned pages = 0;
    bool more = true;

    CU_ASSERT_FATAL(args != NULL && seen != NULL);
    *matched = 0;
    while (more) {
        json_t *body = json_object();
        char text[SELECT_TEXT_CAP] = "";
        struct queue_message *m;
        struct selection s;
        size_t n = 0;

        CU_ASSERT_EQUAL_FATAL(begin(&s, r, args, text), 0);
        r->looked = 0;
        while (n < page_max && (m = selection_next(&s)) != NULL) {
            CU_ASSERT_FALSE(seen[m->id]);
            seen[m->id] = true;
            n++;
        }
        CU_ASSERT_TRUE(r->looked <= SELECT_SCAN_MAX + 1);
        *matched += n;
        pages++;
        selection_add_cursor(&s, body);
        more = json_object_get(body, "cursor") != NULL;
        if (more) {
            (void)json_object_set(args, "cursor", json_object_get(body, "cursor"));
        }
        json_decref(body);
        CU_ASSERT_FATAL(pages < 1000);
    }
    json_decref(args);
    free(seen);
    return pages;
}

static void
pages_show_each_message_once_and_end(void)
{
    struct rig r;
    size_t matched;

    rig_start(&r, MESSAGES_MAX);
    CU_ASSERT_EQUAL(pages_of(&r, "all", 200, &matched), MESSAGES_MAX / 200 + 1);
    CU_ASSERT_EQUAL(matched, MESSAGES_MAX);
    /* nothing matches: answers without a message, each after its share of the queue */
    CU_ASSERT_EQUAL(pages_of(&r, "state=held", 200, &matched), MESSAGES_MAX / SELECT_SCAN_MAX + 1);
    CU_ASSERT_EQUAL(matched, 0);
    r.messages[MESSAGES_MAX - 1].held = true;
    (void)pages_of(&r, "state=held", 200, &matched);
    CU_ASSERT_EQUAL(matched, 1);
    rig_stop(&r);
}

static void
many_ids_are_paged_too(void)
{
    json_t *ids = json_array(), *args;
    struct rig r;
    size_t total = 0;
    unsigned unknown = 0;

    rig_start(&r, 450);
    for (unsigned i = 1; i <= 460; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "%x", i);
        (void)json_array_append_new(ids, json_string(id));
    }
    args = json_pack("{s:o}", "ids", ids);
    for (unsigned pages = 0; pages < 10; pages++) {
        json_t *body = json_object();
        char text[SELECT_TEXT_CAP] = "";
        struct selection s;
        size_t n = 0;

        CU_ASSERT_EQUAL_FATAL(begin(&s, &r, args, text), 0);
        while (n < 200 && selection_next(&s) != NULL) {
            n++;
        }
        total += n;
        unknown += s.unknown;
        selection_add_cursor(&s, body);
        if (json_object_get(body, "cursor") == NULL) {
            json_decref(body);
            break;
        }
        (void)json_object_set(args, "cursor", json_object_get(body, "cursor"));
        json_decref(body);
    }
    CU_ASSERT_EQUAL(total, 450);
    CU_ASSERT_EQUAL(unknown, 10);
    json_decref(args);
    rig_stop(&r);
}

static void
a_message_that_goes_in_between_does_not_stop_the_walk(void)
{
    json_t *args = json_object();
    char text[SELECT_TEXT_CAP] = "";
    struct selection s;
    struct rig r;
    size_t n = 0;

    rig_start(&r, 10);
    CU_ASSERT_EQUAL_FATAL(begin(&s, &r, args, text), 0);
    for (struct queue_message *m; (m = selection_next(&s)) != NULL; n++) {
        m->id = 0; /* freed by the change: nothing of it is looked at again */
    }
    CU_ASSERT_EQUAL(n, 10);
    json_decref(args);
    rig_stop(&r);
}

TEST_MAIN("app_select", TEST(each_selector_tells_messages_apart),
    TEST(what_is_no_selector_is_refused_with_a_cure),
    TEST(a_selector_of_many_bytes_is_named_in_valid_text),
    TEST(pages_show_each_message_once_and_end), TEST(many_ids_are_paged_too),
    TEST(a_message_that_goes_in_between_does_not_stop_the_walk))
