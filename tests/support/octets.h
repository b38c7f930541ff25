/* support/octets.h - octets for tests of binary protocols: from hex text, from files of tests/, and
 * what a state table says in a document. */
#ifndef SUPPORT_OCTETS_H
#define SUPPORT_OCTETS_H

#include "core/slice.h"
#include <stdio.h>
#include <stdlib.h>

/* "03 00 | 0b": anything but hex digits is for the reader. Aborts beyond cap. */
static inline struct slice
octets_of_hex(const char *hex, char *out, size_t cap)
{
    size_t n = 0;
    int high = -1;

    for (; *hex != '\0'; hex++) {
        static const char digits[] = "0123456789abcdef";
        char c = *hex >= 'A' && *hex <= 'F' ? (char)(*hex - 'A' + 'a') : *hex;
        const char *at = strchr(digits, c);

        if (at == NULL) {
            continue;
        }
        if (high < 0) {
            high = (int)(at - digits);
            continue;
        }
        CHECK(n < cap);
        out[n++] = (char)(high << 4 | (int)(at - digits));
        high = -1;
    }
    CHECK(high < 0);
    return (struct slice){ out, n };
}

/* The sources' tests/NAME, opened; aborts if it is not there. file: __FILE__ of a tests/unit/... */
static inline FILE *
octets_open(const char *file, const char *name)
{
    const char *unit = strstr(file, "tests/unit/");
    char path[1024];
    FILE *f;

    CHECK(unit != NULL);
    (void)snprintf(path, sizeof(path), "%.*s%s", (int)(unit - file), file, name);
    f = fopen(path, "re");
    if (f == NULL) {
        fprintf(stderr, "%s is not there\n", path);
        abort();
    }
    return f;
}

/* All of it; the caller frees p. */
static inline struct slice
octets_of_file(const char *file, const char *name)
{
    enum { CAP = 1 << 20 };
    FILE *f = octets_open(file, name);
    char *p = malloc(CAP);
    size_t n;

    CHECK(p != NULL);
    n = fread(p, 1, CAP, f);
    CHECK(n > 0 && n < CAP);
    (void)fclose(f);
    return (struct slice){ p, n };
}

/* The line of a document's table that begins with "| first |", behind the heading given; false if
 * there is none. */
static inline bool
octets_doc_row(
    const char *file, const char *doc, const char *heading, const char *first, char *out, int cap)
{
    FILE *f = octets_open(file, doc);
    char start[128];
    bool behind = false, found = false;

    (void)snprintf(start, sizeof(start), "| %s |", first);
    while (!found && fgets(out, cap, f) != NULL) {
        behind = behind || strncmp(out, heading, strlen(heading)) == 0;
        found = behind && strncmp(out, start, strlen(start)) == 0;
    }
    (void)fclose(f);
    return found;
}

#endif
