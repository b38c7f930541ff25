/* support/conf_rig.h - configurations for tests: a good file of lines, one of them replaced, and
 * the faults that were reported. One line of the array is one line of the file. */
#ifndef SUPPORT_CONF_RIG_H
#define SUPPORT_CONF_RIG_H

#include "app/app_conf.h"
#include "core/io.h"
#include "test_main.h"
#include <stdio.h>
#include <unistd.h>

/* libconfig 1.5 leaks strings of a text that it refuses: its bug, some bytes a refused file. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

struct collected {
    unsigned count;
    struct conf_error first;
    char all[4096];
};

static inline void
collect(void *ctx, const struct conf_error *e)
{
    struct collected *c = ctx;
    char text[1024];
    size_t n = strlen(c->all);

    if (c->count++ == 0) {
        c->first = *e;
        c->first.file = NULL;
    }
    app_conf_error_text(e, text, sizeof(text));
    (void)snprintf(c->all + n, sizeof(c->all) - n, "%s\n", text);
}

static char dir[64]; /* of the test's files */

/* Loads the good file with one line replaced (NULL: none). */
static inline int
load_lines(struct app_conf **out, const char *const *lines, size_t count, size_t which,
    const char *text, const char *vip, struct collected *c)
{
    char path[128], file[8192] = "";
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(
            file + n, sizeof(file) - n, "%s\n", text != NULL && i == which ? text : lines[i]);
    }
    CU_ASSERT_FATAL(n < sizeof(file));
    (void)snprintf(path, sizeof(path), "%s/relay.conf", dir);
    CU_ASSERT_EQUAL_FATAL(io_write_file(path, (struct slice){ file, n }, 0600), 0);
    memset(c, 0, sizeof(*c));
    return app_conf_load(out, path, vip, collect, c);
}

struct fault_row {
    unsigned line;
    const char *text, *key, *message, *cure;
    enum bridgehead_event event;
};

/* The one fault of the good file with that line names line, key, message and cure. */
static inline void
check_fault(const char *const *lines, size_t count, const struct fault_row *f)
{
    struct app_conf *conf = NULL;
    struct collected c;
    int rc = load_lines(&conf, lines, count, f->line, f->text, NULL, &c);
    /* a missing key of the file itself has no line of its own */
    bool line = c.first.line == (int)f->line + 1 || (c.first.line <= 1 && f->text[0] == '\0') ||
                (f->event == EV_CONF_SYNTAX && c.first.line >= (int)f->line + 1);

    if (rc != BH_ECONFIG || c.count != 1 || !line || strcmp(c.first.key, f->key) != 0 ||
        strstr(c.first.message, f->message) == NULL || strstr(c.first.cure, f->cure) == NULL ||
        app_conf_error_event(&c.first) != f->event) {
        printf("\n%s\n  rc %d, %u faults, event %d, line %d: %s", f->text, rc, c.count,
            (int)app_conf_error_event(&c.first), c.first.line, c.all);
        CU_FAIL("a fault is not reported as it should be");
    }
    if (rc == 0) {
        app_conf_free(conf);
    }
}

/* The cases with a directory for their files. */
static inline int
conf_rig_main(const char *name, const struct test_case *cases, size_t count)
{
    char path[128];
    int rc;

    (void)snprintf(dir, sizeof(dir), "/tmp/test_%s.XXXXXX", name);
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    rc = test_main(name, cases, count);
    (void)snprintf(path, sizeof(path), "%s/relay.conf", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    return rc;
}

#endif
