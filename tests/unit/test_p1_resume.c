/* A reader that is kept and read again behind every octet, in every form of a message; and what a
 * damaged state does. */
#include "p1_apdus.h"
#include "p1_made.h"
#include "test_main.h"
#include "x400/p1_resume.h"

#define CONTENT_CAP ((size_t)8192)

static int
kept(struct p1_reader *r)
{
    struct p1_reader again;
    struct buf out;
    int rc;

    buf_init(&out, P1_RESUME_BYTES_MAX);
    rc = p1_reader_save(r, &out);
    if (rc == 0) {
        rc = p1_reader_load(&again, buf_slice(&out));
        CU_ASSERT_EQUAL_FATAL(rc, 0);
        CU_ASSERT_EQUAL(again.ber.at, r->ber.at);
        CU_ASSERT_EQUAL(again.context, r->context);
        CU_ASSERT_EQUAL(again.content_done, r->content_done);
        CU_ASSERT_TRUE(slice_eq(again.envelope.members, r->envelope.members));
        CU_ASSERT_TRUE(again.envelope.members.p != r->envelope.members.p);
        p1_reader_fini(r);
        *r = again;
    }
    buf_fini(&out);
    return rc;
}

/* The rest reads as if nothing had been, wherever it was left; and left at every octet. */
static void
check_everywhere(struct slice apdu, enum p1_protocol p, struct slice content)
{
    unsigned saved = 0;

    for (size_t cut = 0; cut <= apdu.n; cut++) {
        bool every = cut == apdu.n; /* the last round: at each octet */
        struct p1_reader r;
        struct buf out;
        int rc = BH_ESTATE;

        buf_init(&out, CONTENT_CAP);
        p1_reader_init(&r, p);
        for (size_t at = 0; every && at < apdu.n; at++) {
            CU_ASSERT_NOT_EQUAL(p1_feed(&r, slice_sub(apdu, at, 1), &out), P1_BAD);
            (void)kept(&r);
        }
        if (!every) {
            (void)p1_feed(&r, slice_sub(apdu, 0, cut), &out);
            rc = kept(&r);
            saved += rc == 0;
            CU_ASSERT_TRUE(rc == 0 || (rc == BH_ESTATE && buf_len(&out) == 0));
            CU_ASSERT_EQUAL(p1_feed(&r, slice_skip(apdu, cut), &out), P1_END);
        }
        CU_ASSERT_EQUAL(p1_reader_end(&r), 0);
        CU_ASSERT_EQUAL(r.content_bytes, content.n);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), content));
        p1_reader_fini(&r);
        buf_fini(&out);
    }
    CU_ASSERT_TRUE(saved > content.n);
}

static void
captured_messages_go_on_behind_every_octet(void)
{
    for (unsigned pp = 0; pp < 2; pp++) {
        struct slice file, apdu = p1_captured(__FILE__, pp != 0, &file);
        struct p1_reader r;
        struct buf content;

        buf_init(&content, CONTENT_CAP);
        p1_reader_init(&r, P1_1988_NORMAL);
        CU_ASSERT_EQUAL_FATAL(p1_feed(&r, apdu, &content), P1_END);
        check_everywhere(apdu, P1_1988_NORMAL, buf_slice(&content));
        p1_reader_fini(&r);
        buf_fini(&content);
        free((char *)(uintptr_t)file.p);
    }
}

/* [0] { SET, content } around an envelope of ours; forms: bit 0 the APDU and 1 the envelope of
 * indefinite length; 2, 3: the content primitive, segmented, segmented within segments, and the
 * last two with indefinite lengths. */
#define FORMS 5

static void
put(struct buf *out, const char *octets, size_t n)
{
    CHECK(buf_append(out, (struct slice){ octets, n }) == 0);
}

static void
put_segments(struct buf *out, struct slice content, unsigned levels, bool indefinite)
{
    struct buf inner;
    struct ber_writer w;

    buf_init(&inner, CONTENT_CAP);
    ber_writer_init(&w, &inner);
    if (levels == 0) {
        ber_write_bytes(&w, BER_UNIVERSAL(BER_OCTET_STRING), slice_sub(content, 0, 1500));
        ber_write_bytes(&w, BER_UNIVERSAL(BER_OCTET_STRING), SLICE_NONE);
        ber_write_bytes(&w, BER_UNIVERSAL(BER_OCTET_STRING), slice_skip(content, 1500));
        CHECK(ber_write_finish(&w) == 0);
    } else {
        CHECK(ber_write_finish(&w) == 0);
        put_segments(&inner, slice_sub(content, 0, 700), levels - 1, indefinite);
        put_segments(&inner, slice_skip(content, 700), levels - 1, !indefinite);
    }
    put(out, "\x24", 1);
    if (indefinite) {
        put(out, "\x80", 1);
        put(out, buf_slice(&inner).p, buf_len(&inner));
        put(out, "\0\0", 2);
    } else {
        const char length[] = { (char)0x82, (char)(buf_len(&inner) >> 8), (char)buf_len(&inner) };

        put(out, length, sizeof(length));
        put(out, buf_slice(&inner).p, buf_len(&inner));
    }
    buf_fini(&inner);
}

static void
put_apdu(struct buf *out, const struct p1_envelope *e, struct slice content, unsigned form)
{
    struct ber_writer w;
    struct buf inner;

    buf_init(&inner, 2 * CONTENT_CAP);
    ber_writer_init(&w, &inner);
    ber_write_list(&w, BER_UNIVERSAL(BER_SET), e->members);
    if (form == 0) {
        ber_write_bytes(&w, BER_UNIVERSAL(BER_OCTET_STRING), content);
    }
    CHECK(ber_write_finish(&w) == 0);
    if (form > 0) {
        put_segments(&inner, content, (form - 1) / 2, (form - 1) % 2 != 0);
    }
    put(out, "\xa0\x80", 2);
    put(out, buf_slice(&inner).p, buf_len(&inner));
    put(out, "\0\0", 2);
    buf_fini(&inner);
}

static void
every_form_goes_on_behind_every_octet(void)
{
    static const char *const to[] = { "/C=FR/A= /P=X/S=Dupont/" };
    static char octets[2900];
    struct slice content = { octets, sizeof(octets) };
    struct p1_held h;

    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = (char)(i * 2654435761u >> 13);
    }
    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 1, P1_MTA_NON_DELIVERY);
    for (unsigned form = 0; form < FORMS; form++) {
        for (size_t n = 0; n < 2; n++) {
            struct slice some = slice_sub(content, 0, n == 0 ? content.n : 900);
            struct buf apdu;

            buf_init(&apdu, 2 * CONTENT_CAP);
            put_apdu(&apdu, &h.e, some, form);
            check_everywhere(buf_slice(&apdu), P1_1988_X410, some);
            buf_fini(&apdu);
        }
    }
    p1_held_fini(&h);
}

/* Damage is an error, or a reader that goes on and ends. */
static void
a_damaged_state_ends(void)
{
    struct slice file, apdu = p1_captured(__FILE__, true, &file);
    unsigned damaged = 0;

    for (size_t cut = 300; cut < apdu.n; cut += 29) {
        struct p1_reader r, again;
        struct buf out;
        char *bytes;

        buf_init(&out, P1_RESUME_BYTES_MAX);
        p1_reader_init(&r, P1_1988_NORMAL);
        (void)p1_feed(&r, slice_sub(apdu, 0, cut), NULL);
        if (p1_reader_save(&r, &out) == 0) {
            bytes = slice_dup(buf_slice(&out));
            for (size_t i = 0; i < buf_len(&out); i++) {
                for (unsigned bit = 1; bit < 256; bit <<= 1) {
                    bytes[i] = (char)((unsigned char)bytes[i] ^ bit);
                    if (p1_reader_load(&again, (struct slice){ bytes, buf_len(&out) }) == 0) {
                        (void)p1_feed(&again, slice_skip(apdu, cut), NULL);
                        p1_reader_fini(&again);
                    } else {
                        damaged++;
                    }
                    bytes[i] = (char)((unsigned char)bytes[i] ^ bit);
                }
                CU_ASSERT_EQUAL(p1_reader_load(&again, (struct slice){ bytes, i }), BH_EDAMAGED);
            }
            free(bytes);
        }
        p1_reader_fini(&r);
        buf_fini(&out);
    }
    CU_ASSERT_TRUE(damaged > 0);
    free((char *)(uintptr_t)file.p);
}

/* Before the envelope is whole, behind the end, and of what is no message, nothing is kept. */
static void
what_cannot_be_kept_says_so(void)
{
    struct slice file, apdu = p1_captured(__FILE__, false, &file);
    struct p1_reader r;
    struct buf out;

    buf_init(&out, P1_RESUME_BYTES_MAX);
    p1_reader_init(&r, P1_1988_NORMAL);
    CU_ASSERT_EQUAL(p1_reader_save(&r, &out), BH_ESTATE);
    CU_ASSERT_EQUAL(p1_feed(&r, apdu, NULL), P1_END);
    CU_ASSERT_EQUAL(p1_reader_save(&r, &out), BH_ESTATE);
    p1_reader_fini(&r);
    buf_fini(&out);
    free((char *)(uintptr_t)file.p);
}

TEST_MAIN("p1_resume", TEST(captured_messages_go_on_behind_every_octet),
    TEST(every_form_goes_on_behind_every_octet), TEST(a_damaged_state_ends),
    TEST(what_cannot_be_kept_says_so))
