/* tools/cmd_store_dump.c - store dump: records for people and programs. */
#include "core/ticks.h"
#include "queue/segment.h"
#include "queue/store_tools.h"
#include "tools/record_json.h"
#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>

struct dump {
    const struct tool *t;
    bool content;
    struct tool_progress progress;
    unsigned invalid; /* what did not validate */
    bool any;
};

/* The fields behind those of every record, as NAME=VALUE. */
static void
print_fields(const json_t *a)
{
    static const char *const said[] = { "segment", "offset", "lsn", "length", "valid", "type",
        "type_number", "epoch", "behind" };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        bool skip = false;
        char *text;

        for (size_t i = 0; i < ARRAY_LEN(said); i++) {
            skip = skip || strcmp(key, said[i]) == 0;
        }
        text = skip ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text != NULL) {
            (void)printf(" %s=%s", key, text);
        }
        free(text);
    }
}

static bool
on_record(void *ctx, const struct store_record *r)
{
    struct dump *d = ctx;
    json_t *a = record_json(r, d->content);

    tool_progress_clear(&d->progress);
    d->any = true;
    d->invalid += json_object_get(a, "damage") != NULL;
    if (d->t->json) {
        tool_print_json(a);
    } else {
        (void)printf("%llx %s+%llu %s %llu bytes", (unsigned long long)r->lsn, r->segment,
            (unsigned long long)r->offset,
            r->header_valid ? record_type_name(r->head.type)
            : r->followed   ? "DOES NOT VALIDATE"
                            : "no record",
            (unsigned long long)r->length);
        print_fields(a);
        (void)putchar('\n');
    }
    json_decref(a);
    return ferror(stdout) == 0;
}

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    struct dump *d = ctx;

    d->any = true;
    d->invalid++;
    tool_progress_clear(&d->progress);
    tool_print_finding(d->t, f);
}

static void
on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct dump *d = ctx;

    tool_progress(&d->progress, done, total);
}

/* ---- the command */

static bool
parse(struct dump *d, struct store_dump_filter *f, int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = { { "--segment", &f->seq }, { "--from", &f->from_lsn }, { "--to", &f->to_lsn },
        { "--message", &f->id } };
    bool progress = false;

    for (int i = 0; i < argc; i++) {
        bool taken = strcmp(argv[i], "--content") == 0 || strcmp(argv[i], "--progress") == 0;

        d->content = d->content || strcmp(argv[i], "--content") == 0;
        progress = progress || strcmp(argv[i], "--progress") == 0;
        for (size_t k = 0; !taken && k < ARRAY_LEN(numbers) && i + 1 < argc; k++) {
            if (strcmp(argv[i], numbers[k].name) == 0) {
                taken = slice_hex_u64(slice_of(argv[++i]), numbers[k].value) == 0;
                if (!taken) {
                    return false;
                }
            }
        }
        if (!taken) {
            return false;
        }
    }
    tool_progress_begin(&d->progress, progress);
    return true;
}

int
cmd_store_dump(struct tool *t, int argc, char **argv)
{
    struct dump d = { .t = t };
    struct store_dump_filter filter = { 0 };
    char path[STORE_PATH_CAP];
    struct store_look look = { .path = path, .finding = on_finding, .ctx = &d };
    int rc;

    if (!parse(&d, &filter, argc, argv)) {
        (void)fputs("usage: bridgehead store dump [--segment NUMBER] [--from LSN] [--to LSN] "
                    "[--message ID] [--content] [--progress]\n",
            stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    rc = tool_store_path(t, path, sizeof(path));
    if (rc != 0) {
        return rc;
    }
    look.progress = d.progress.wanted ? on_progress : NULL;
    rc = store_dump(&look, &filter, on_record);
    tool_progress_clear(&d.progress);
    if (rc < 0) {
        return tool_store_fail(t, rc, look.text);
    }
    if (!d.any && (filter.seq != 0 || filter.id != 0 || filter.from_lsn != 0)) {
        return tool_fail(t, BRIDGEHEAD_EXIT_NOT_FOUND,
            tool_error(BRIDGEHEAD_EXIT_NOT_FOUND, "the journal has no such record",
                "bridgehead store stat lists its segments; those of which no message lives go."));
    }
    return d.invalid > 0 ? BRIDGEHEAD_EXIT_DAMAGED : 0;
}
