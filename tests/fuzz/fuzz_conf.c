/* links: core */
#include "core/conf.h"
#include "core/conf_scan.h"
#include <stdlib.h>

/* Whatever an operator writes, the file is taken or refused with a report; and a file that is taken
 * gives a value, within its row's bounds, for each key that it set. */

static const struct conf_key keys[] = {
    { "name", CONF_STRING, 1, 20, "x", NULL, false, true, NULL },
    { "time", CONF_DURATION, 1, 1000, "1s", NULL, false, true, NULL },
    { "size", CONF_SIZE, 1, 4096, "1", NULL, false, false, NULL },
    { "mode", CONF_ENUM, 0, 0, "a", "a|b", false, false, NULL },
    { "flag", CONF_BOOL, 0, 0, "true", NULL, false, true, NULL },
    { "list", CONF_STRINGS, 0, 4, NULL, NULL, false, true, NULL },
    { "g.*", CONF_GROUP, 0, 0, NULL, NULL, false, true, NULL },
    { "g.*.n", CONF_INT, 0, 9, "5", NULL, true, true, NULL },
    { "r[].to", CONF_STRING, 0, 0, NULL, NULL, true, true, NULL },
};

/* libconfig 1.5 leaks strings of a text that it refuses: its bug, some bytes a refused file. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

static void
count_error(void *ctx, const struct conf_error *e)
{
    CHECK(e->message[0] != '\0' && e->cure[0] != '\0');
    ++*(unsigned *)ctx;
}

static void
count_duplicate(void *ctx, struct slice key, int line, int first_line)
{
    CHECK(key.n > 0 && first_line <= line);
    ++*(size_t *)ctx;
}

static void
check_values(const struct conf *c)
{
    CHECK(conf_string(c, "name").n >= 1 && conf_string(c, "name").n <= 20);
    CHECK(conf_uint(c, "time") >= 1 && conf_uint(c, "time") <= 1000);
    CHECK(conf_uint(c, "size") >= 1 && conf_uint(c, "size") <= 4096);
    CHECK(conf_enum(c, "mode") == 0 || conf_enum(c, "mode") == 1);
    CHECK(conf_strings_count(c, "list") <= 4);
    for (size_t i = 0; i < conf_children_count(c, "g"); i++) {
        CHECK(conf_child_name(c, "g", i).n > 0);
    }
    CHECK(conf_changed_unreloadable(c, c) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = slice_dup((struct slice){ (const char *)data, size });
    struct conf *c = NULL;
    unsigned errors = 0;
    size_t duplicates = 0;
    int rc;

    /* libconfig would open what an input names: /dev/zero, a FIFO. Our side of it has unit tests.
     */
    if (text == NULL || strstr(text, "@include") != NULL) {
        free(text);
        return 0;
    }
    rc = conf_parse_string(&c, "fuzz", text, keys, ARRAY_LEN(keys), count_error, &errors);
    CHECK((rc == 0) == (errors == 0));
    if (rc == 0) {
        check_values(c);
        conf_free(c);
    }
    CHECK(conf_scan_duplicates(slice_of(text), count_duplicate, &duplicates) == duplicates);
    free(text);
    return 0;
}
