/* lint/events_table.c - docs/events.md from include/bridgehead/events.h.
 *
 *   events_table                print the document
 *   events_table --check FILE   the rows keep their rules and FILE is that document
 *   events_table --selftest     each rule refuses a row that breaks it
 */
#include "bridgehead/events.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define RANGE_SIZE   100

struct row {
    const char *symbol;
    int number;
    const char *name, *level, *what, *cure;
};

/* Sorted by number before use: a module's events may stand in two lists of events.h. */
static struct row rows[] = {
#define ROW(symbol, number, name, level, what, cure) { #symbol, number, name, #level, what, cure },
    BRIDGEHEAD_EVENTS(ROW)
#undef ROW
};

static const struct {
    int first;
    const char *title;
} ranges[] = {
    { 1000, "Daemon and keeper" },
    { 1100, "Configuration" },
    { 1200, "SMTP, incoming" },
    { 1300, "SMTP, outgoing" },
    { 1400, "Queue and store" },
    { 1500, "Ownership" },
    { 1600, "Virtual IP and network" },
    { 1700, "Routing and DNS" },
    { 1800, "Scheduler and delivery reports" },
    { 1900, "Cluster" },
    { 2000, "Control" },
    { 2100, "X.400" },
};

static bool
name_ok(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

    return n > 0 && name[n] == '\0' && strchr(name, '.') != NULL;
}

static bool
sentence_ok(const char *text)
{
    size_t n = strlen(text);

    return n > 2 && text[n - 1] == '.' && strchr(text, '\n') == NULL;
}

static const char *
fault_of(const struct row *all, size_t i)
{
    const struct row *r = &all[i];

    for (size_t j = 0; j < i; j++) {
        if (all[j].number == r->number) {
            return "its number is taken";
        }
        if (strcmp(all[j].name, r->name) == 0) {
            return "its name is taken";
        }
    }
    if (r->number < ranges[0].first ||
        r->number >= ranges[ARRAY_LEN(ranges) - 1].first + RANGE_SIZE) {
        return "its number is in no range";
    }
    if (strncmp(r->symbol, "EV_", 3) != 0) {
        return "its symbol must begin with EV_";
    }
    if (!name_ok(r->name)) {
        return "its name must be dotted words in small letters";
    }
    if (!sentence_ok(r->what)) {
        return "what happened must be a sentence";
    }
    if (!sentence_ok(r->cure)) {
        return "the cure must be a sentence (None needed.)";
    }
    return NULL;
}

static int
check_rows(const struct row *all, size_t count, FILE *out)
{
    int faults = 0;

    for (size_t i = 0; i < count; i++) {
        const char *fault = fault_of(all, i);

        if (fault != NULL) {
            fprintf(
                out, "events.h: %s %d %s: %s\n", all[i].symbol, all[i].number, all[i].name, fault);
            faults++;
        }
    }
    return faults;
}

static void
print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        /* A bar would end the cell. */
        fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
    }
}

static void
print_row(FILE *out, const struct row *r)
{
    static const struct {
        const char *symbol, *text;
    } levels[] = { { "ERROR", "error" }, { "WARN", "warn" }, { "INFO", "info" },
        { "DEBUG", "debug" } };
    const char *level = r->level;

    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        level = strcmp(r->level, levels[i].symbol) == 0 ? levels[i].text : level;
    }
    fprintf(out, "| %d | `%s` | %s | ", r->number, r->name, level);
    print_cell(out, r->what);
    fprintf(out, " | ");
    print_cell(out, r->cure);
    fprintf(out, " |\n");
}

static void
print_document(FILE *out)
{
    fprintf(out,
        "# Events\n\n"
        "Every log line is one of these: `NUMBER NAME key=value ...`. Numbers and names never "
        "change and are never\nreused, so alert on them. Text that came from a peer stands in "
        "quotes, with `\\xNN` for bytes outside of\nprintable ASCII.\n\n"
        "- error: someone must act\n- warn: degraded, and worth a look\n- info: a step in a "
        "message's or the daemon's life\n- debug: protocol steps; off by default "
        "(`log.level`)\n\n"
        "Written by `tests/lint/events_table` from `include/bridgehead/events.h`; the test "
        "`lint_docs` compares both.\n");
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        bool begun = false;

        for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
            if (rows[j].number / RANGE_SIZE * RANGE_SIZE != ranges[i].first) {
                continue;
            }
            if (!begun) {
                fprintf(out,
                    "\n## %d: %s\n\n| number | event | level | what happened | what to do |\n"
                    "|---|---|---|---|---|\n",
                    ranges[i].first, ranges[i].title);
                begun = true;
            }
            print_row(out, &rows[j]);
        }
    }
}

static int
check_document(const char *path)
{
    char *want = NULL;
    size_t size = 0, line = 1, i;
    FILE *memory = open_memstream(&want, &size), *file = fopen(path, "re");
    int rc = 1, c = EOF;

    if (memory == NULL || file == NULL) {
        fprintf(stderr, "%s: cannot be read: write it with events_table > docs/events.md\n", path);
        return 1;
    }
    print_document(memory);
    fclose(memory);
    for (i = 0; i < size; i++) {
        c = fgetc(file);
        if (c != (unsigned char)want[i]) {
            break;
        }
        line += c == '\n';
    }
    if (i == size && fgetc(file) == EOF) {
        rc = 0;
    } else {
        fprintf(
            stderr, "%s:%zu: differs from events.h: events_table > docs/events.md\n", path, line);
    }
    fclose(file);
    free(want);
    return rc;
}

static int
selftest(void)
{
    static const struct row good = { "EV_A", 1100, "a.b", "INFO", "It is.", "None needed." };
    static const struct row bad[] = {
        { "EV_B", 1100, "c.d", "INFO", "It is.", "None needed." },
        { "EV_B", 1101, "a.b", "INFO", "It is.", "None needed." },
        { "EV_B", 1099, "c.d", "INFO", "It is.", "" },
        { "EV_B", 1101, "c.d", "INFO", "", "None needed." },
        { "EV_B", 1101, "nodot", "INFO", "It is.", "None needed." },
        { "EV_B", 1101, "C.d", "INFO", "It is.", "None needed." },
        { "EV_B", 999, "c.d", "INFO", "It is.", "None needed." },
        { "EV_B", 2200, "c.d", "INFO", "It is.", "None needed." },
        { "B", 1101, "c.d", "INFO", "It is.", "None needed." },
    };
    int missed = check_rows(&good, 1, stderr) != 0;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct row two[] = { good, bad[i] };

        if (check_rows(two, 2, stdout) != 1) {
            fprintf(stderr, "selftest: bad row %zu was not refused\n", i);
            missed++;
        }
    }
    missed += check_document("/dev/null") == 0;
    return missed == 0 ? 0 : 1;
}

static int
by_number(const void *a, const void *b)
{
    const struct row *left = a, *right = b;

    return (left->number > right->number) - (left->number < right->number);
}

int
main(int argc, char **argv)
{
    qsort(rows, ARRAY_LEN(rows), sizeof(rows[0]), by_number);
    if (argc == 2 && strcmp(argv[1], "--selftest") == 0) {
        return selftest();
    }
    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        int faults = check_rows(rows, ARRAY_LEN(rows), stderr);

        return check_document(argv[2]) != 0 || faults > 0;
    }
    print_document(stdout);
    return 0;
}
