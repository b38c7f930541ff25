#include "core/secret.h"
#include "core/io.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct secrets {
    char *bytes;
    size_t size, used;
};

int
secrets_new(struct secrets **out, size_t bytes)
{
    struct secrets *s = calloc(1, sizeof(*s));
    void *at;
    int rc;

    if (s == NULL) {
        return -ENOMEM;
    }
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        rc = -errno;
        free(s);
        return rc;
    }
    s->bytes = at;
    s->size = bytes;
    if (madvise(at, bytes, MADV_DONTDUMP) < 0) { /* else the first core dump would have them */
        rc = -errno;
        secrets_free(s);
        return rc;
    }
    (void)mlock(at, bytes); /* as far as RLIMIT_MEMLOCK allows */
    *out = s;
    return 0;
}

void
secrets_free(struct secrets *s)
{
    if (s == NULL) {
        return;
    }
    explicit_bzero(s->bytes, s->size);
    (void)munmap(s->bytes, s->size);
    free(s);
}

int
secrets_read_line(struct secrets *s, const char *path, size_t bytes_max, struct slice *out)
{
    char *at = s->bytes + s->used;
    struct slice line;
    size_t n = 0;
    int rc = io_read_file(path, at, MIN(s->size - s->used, bytes_max + 2), &n); /* CR LF */

    line = (struct slice){ at, n };
    if (rc == 0 && n > 0 && at[n - 1] == '\n') {
        line.n -= n > 1 && at[n - 2] == '\r' ? 2 : 1;
    }
    if (rc == 0 && (line.n == 0 || slice_find(line, '\n') < line.n)) {
        rc = BH_ESYNTAX;
    } else if (rc == 0 && line.n > bytes_max) {
        rc = BH_ETOOBIG;
    }
    if (rc < 0) {
        explicit_bzero(at, MIN(s->size - s->used, bytes_max + 2));
        return rc;
    }
    s->used += line.n;
    *out = line;
    return 0;
}

int
secrets_copy(struct secrets *s, struct slice secret, struct slice *out)
{
    char *at = s->bytes + s->used;

    if (secret.n > s->size - s->used) {
        return BH_ETOOBIG;
    }
    memcpy(at, secret.n > 0 ? secret.p : "", secret.n);
    s->used += secret.n;
    *out = (struct slice){ at, secret.n };
    return 0;
}
