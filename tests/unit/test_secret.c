#include "core/io.h"
#include "core/secret.h"
#include "test_main.h"
#include <stdio.h>
#include <unistd.h>

static char path[64];

static int
read_text(struct secrets *s, struct slice text, size_t max, struct slice *out)
{
    CU_ASSERT_EQUAL_FATAL(io_write_file(path, text, 0600), 0);
    return secrets_read_line(s, path, max, out);
}

static void
one_line_is_read_without_its_end(void)
{
    static const struct {
        struct slice text;
        const char *line; /* NULL: refused with rc */
        int rc;
    } rows[] = {
        { SLICE_LIT("hello\n"), "hello", 0 },
        { SLICE_LIT("hello"), "hello", 0 },
        { SLICE_LIT("hello\r\n"), "hello", 0 },
        { SLICE_LIT(" a b \n"), " a b ", 0 },
        { SLICE_LIT("12345678\n"), "12345678", 0 },
        { SLICE_LIT("12345678\r\n"), "12345678", 0 },
        { SLICE_LIT("123456789"), NULL, BH_ETOOBIG },
        { SLICE_LIT("123456789\n"), NULL, BH_ETOOBIG },
        { SLICE_LIT("12345678901234567890\n"), NULL, BH_ETOOBIG },
        { SLICE_LIT(""), NULL, BH_ESYNTAX },
        { SLICE_LIT("\n"), NULL, BH_ESYNTAX },
        { SLICE_LIT("\r\n"), NULL, BH_ESYNTAX },
        { SLICE_LIT("a\nb\n"), NULL, BH_ESYNTAX },
        { SLICE_LIT("a\n\n"), NULL, BH_ESYNTAX },
    };
    struct secrets *s;

    CU_ASSERT_EQUAL_FATAL(secrets_new(&s, 4096), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice line = SLICE_LIT("as it was");

        int rc = read_text(s, rows[i].text, 8, &line);

        if (rc != rows[i].rc) {
            printf("\n%.*s: %d", SLICE_FMT(rows[i].text), rc);
            CU_FAIL("a line is not read as it should be");
        }
        CU_ASSERT_TRUE(slice_eq(line, slice_of(rows[i].line != NULL ? rows[i].line : "as it was")));
    }
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(secrets_read_line(s, path, 8, &(struct slice){ 0 }), -ENOENT);
    secrets_free(s);
    secrets_free(NULL);
}

static void
room_is_limited(void)
{
    struct slice first, second;
    struct secrets *s;

    CU_ASSERT_EQUAL_FATAL(secrets_new(&s, 16), 0);
    CU_ASSERT_EQUAL(read_text(s, SLICE_LIT("0123456789"), 10, &first), 0);
    CU_ASSERT_EQUAL(read_text(s, SLICE_LIT("abcdefg"), 10, &second), BH_ETOOBIG);
    CU_ASSERT_EQUAL(read_text(s, SLICE_LIT("abcde"), 10, &second), 0);
    CU_ASSERT_TRUE(slice_eq(first, SLICE_LIT("0123456789")));
    CU_ASSERT_TRUE(slice_eq(second, SLICE_LIT("abcde")));
    secrets_free(s);
}

static void
a_copy_outlives_what_it_was_made_of(void)
{
    struct slice from, one, two, none = SLICE_LIT("x");
    struct secrets *s, *t;

    CU_ASSERT_EQUAL_FATAL(secrets_new(&s, 4096), 0);
    CU_ASSERT_EQUAL_FATAL(secrets_new(&t, 8), 0);
    CU_ASSERT_EQUAL_FATAL(read_text(s, SLICE_LIT("hidden"), 64, &from), 0);
    CU_ASSERT_EQUAL(secrets_copy(t, from, &one), 0);
    CU_ASSERT_EQUAL(secrets_copy(t, from, &two), BH_ETOOBIG);
    CU_ASSERT_EQUAL(secrets_copy(t, slice_sub(from, 0, 2), &two), 0);
    CU_ASSERT_EQUAL(secrets_copy(t, SLICE_NONE, &none), 0);
    secrets_free(s);
    CU_ASSERT_TRUE(slice_eq(one, SLICE_LIT("hidden")));
    CU_ASSERT_TRUE(slice_eq(two, SLICE_LIT("hi")));
    CU_ASSERT_EQUAL(none.n, 0);
    secrets_free(t);
}

/* The kernel says so of the mapping that has it: "dd", do not include in core dumps. */
static void
it_is_in_no_core_dump(void)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    unsigned long from, to;
    bool here = false, found = false;
    struct slice secret;
    struct secrets *s;
    char line[512];

    CU_ASSERT_EQUAL_FATAL(secrets_new(&s, 65536), 0);
    CU_ASSERT_EQUAL_FATAL(read_text(s, SLICE_LIT("hidden\n"), 64, &secret), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            here = (uintptr_t)secret.p >= from && (uintptr_t)secret.p < to;
        }
        if (here && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, " dd") != NULL;
        }
    }
    CU_ASSERT_TRUE(found);
    (void)fclose(maps);
    secrets_free(s);
}

static const struct test_case cases[] = { TEST(one_line_is_read_without_its_end),
    TEST(room_is_limited), TEST(a_copy_outlives_what_it_was_made_of), TEST(it_is_in_no_core_dump) };

int
main(void)
{
    int rc;

    (void)snprintf(path, sizeof(path), "/tmp/test_secret.%d", (int)getpid());
    rc = test_main("secret", cases, ARRAY_LEN(cases));
    (void)unlink(path);
    return rc;
}
