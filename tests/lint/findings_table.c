/* lint/findings_table.c - docs/ops/store-findings.md from include/bridgehead/findings.h.
 *
 *   findings_table                print the document
 *   findings_table --check FILE   the rows keep their rules and FILE is that document
 */
#include "bridgehead/findings.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define RANGE_SIZE   100

static const struct row {
    const char *symbol;
    int number;
    const char *name, *level, *what, *cause, *cure;
} rows[] = {
#define ROW(symbol, number, name, level, what, cause, cure)                                        \
    { #symbol, number, name, #level, what, cause, cure },
    BRIDGEHEAD_FINDINGS(ROW)
#undef ROW
};

static const char *const ranges[] = { "", "The store and its owner", "Segments", "Records",
    "Messages", "Leftovers", "Snapshots" };

static const char *
level_text(const char *level)
{
    return strcmp(level, "DAMAGE") == 0 ? "damage"
           : strcmp(level, "NOTE") == 0 ? "note"
                                        : "warning";
}

static bool
sentence_ok(const char *text)
{
    size_t n = strlen(text);

    return n > 2 && text[n - 1] == '.' && strpbrk(text, "\n|") == NULL;
}

static bool
name_ok(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-");

    return n > 0 && name[n] == '\0' && strchr(name, '.') != NULL;
}

static const char *
fault_of(size_t i)
{
    const struct row *r = &rows[i];

    for (size_t j = 0; j < i; j++) {
        if (rows[j].number >= r->number) {
            return "its number is taken, or smaller than the one before";
        }
        if (strcmp(rows[j].name, r->name) == 0) {
            return "its name is taken";
        }
    }
    if (r->number < RANGE_SIZE || (size_t)r->number / RANGE_SIZE >= ARRAY_LEN(ranges)) {
        return "its number is in no range";
    }
    if (strncmp(r->symbol, "FINDING_", 8) != 0) {
        return "its symbol must begin with FINDING_";
    }
    if (!name_ok(r->name)) {
        return "its name must be dotted words in small letters";
    }
    if (!sentence_ok(r->what) || !sentence_ok(r->cause) || !sentence_ok(r->cure)) {
        return "what is found, its cause and its cure must be sentences";
    }
    return NULL;
}

static void
print_document(FILE *out)
{
    fprintf(out,
        "# Findings of `bridgehead store check`\n\n"
        "Every line is one of these: `LEVEL NUMBER NAME: FILE at OFFSET, ...`. Numbers and names "
        "never change and are never\nreused. DAMAGE means that the store is not whole: the command "
        "ends with exit code 6, a daemon that starts on it names the same\nplace in an event "
        "`queue.damaged`, serves the rest, and is degraded (quarantine-not-empty). A warning: the "
        "store is whole, but look at it.\nA note is normal, or harmless. Nothing whose checksum "
        "fails is ever delivered. What to do step by step: recovery.md.\n\n"
        "Written by `tests/lint/findings_table` from `include/bridgehead/findings.h`; the test "
        "`lint_findings` compares both.\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (i == 0 || rows[i].number / RANGE_SIZE != rows[i - 1].number / RANGE_SIZE) {
            fprintf(out,
                "\n## %s\n\n| number | finding | level | what is found | whence it may come | what "
                "to do |\n|---|---|---|---|---|---|\n",
                ranges[rows[i].number / RANGE_SIZE]);
        }
        fprintf(out, "| %d | `%s` | %s | %s | %s | %s |\n", rows[i].number, rows[i].name,
            level_text(rows[i].level), rows[i].what, rows[i].cause, rows[i].cure);
    }
}

static int
check_document(const char *path)
{
    char *want = NULL, *have = NULL;
    size_t size = 0, n = 0;
    FILE *memory = open_memstream(&want, &size), *file = fopen(path, "re");
    bool same;

    if (memory == NULL || file == NULL) {
        fprintf(stderr, "%s: cannot be read: ninja findings_doc writes it\n", path);
        return 1;
    }
    print_document(memory);
    fclose(memory);
    have = malloc(size + 2);
    n = have != NULL ? fread(have, 1, size + 1, file) : 0;
    same = have != NULL && n == size && memcmp(have, want, size) == 0;
    if (!same) {
        fprintf(stderr, "%s: differs from findings.h: ninja findings_doc writes it\n", path);
    }
    fclose(file);
    free(have);
    free(want);
    return same ? 0 : 1;
}

int
main(int argc, char **argv)
{
    int faults = 0;

    if (argc != 3 || strcmp(argv[1], "--check") != 0) {
        print_document(stdout);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *fault = fault_of(i);

        if (fault != NULL) {
            fprintf(stderr, "findings.h: %s %d: %s\n", rows[i].symbol, rows[i].number, fault);
            faults++;
        }
    }
    return faults > 0 || check_document(argv[2]) != 0;
}
