#include "x400/ipm.h"
#include "osi/ber.h"

bool
ipm_is_ia5(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] > 127) {
            return false;
        }
    }
    return true;
}

static void
write_heading(struct ber_writer *w, const struct ipm *m)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    ber_write_begin(w, BER_APPLICATION(11)); /* IPMIdentifier; its user is optional */
    ber_write_bytes(w, BER_UNIVERSAL(BER_PRINTABLE_STRING), m->id);
    ber_write_end(w);
    if (m->subject.n > 0) {
        ber_write_begin(w, BER_CONTEXT(8));
        ber_write_bytes(w, BER_UNIVERSAL(BER_T61_STRING), m->subject);
        ber_write_end(w);
    }
    ber_write_end(w);
}

/* One body part, ia5-text; the default repertoire is IA5. */
static void
write_body(struct ber_writer *w, const struct ipm *m)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_begin(w, BER_CONTEXT(0));
    ber_write_list(w, BER_UNIVERSAL(BER_SET), SLICE_NONE);
    ber_write_bytes(w, BER_UNIVERSAL(BER_IA5_STRING), m->text);
    ber_write_end(w);
    ber_write_end(w);
}

int
ipm_write(struct buf *out, const struct ipm *m)
{
    struct ber_writer w;

    CHECK(m->id.n > 0 && m->id.n <= IPM_ID_BYTES_MAX && m->subject.n <= IPM_SUBJECT_BYTES_MAX);
    CHECK(ipm_is_ia5(m->subject) && ipm_is_ia5(m->text));
    ber_writer_init(&w, out);
    ber_write_begin(&w, BER_CONTEXT(0)); /* an IPM, no notification */
    write_heading(&w, m);
    write_body(&w, m);
    ber_write_end(&w);
    return ber_write_finish(&w);
}
