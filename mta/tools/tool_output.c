#include "core/ticks.h"
#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>

json_t *
tool_error(int code, const char *message, const char *cure)
{
    return json_pack("{s:{s:i,s:i,s:s,s:s}}", "error", "code", code, "event", 0, "message", message,
        "cure", cure);
}

void
tool_print_json(const json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    (void)putchar('\n');
}

int
tool_fail(const struct tool *t, int code, json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");

    if (t->json) {
        tool_print_json(answer);
    } else if (error != NULL) {
        (void)fprintf(stderr, "bridgehead: %s\n", tool_str(error, "message"));
        if (tool_str(error, "cure")[0] != '\0') {
            (void)fprintf(stderr, "  cure: %s\n", tool_str(error, "cure"));
        }
    }
    json_decref(answer);
    return code;
}

int
tool_usage(const struct tool_command *c)
{
    (void)fprintf(stderr, "usage: bridgehead %s %s\n", c->name, c->args);
    return BRIDGEHEAD_EXIT_USAGE;
}

json_t *
tool_text(struct slice s)
{
    json_t *text = json_stringn(s.p != NULL ? s.p : "", s.n);
    char *clean;
    size_t n = 0;

    if (text != NULL) {
        return text;
    }
    clean = malloc(s.n * 3 + 1);
    for (size_t i = 0; clean != NULL && i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x80) {
            clean[n++] = s.p[i];
        } else {
            memcpy(clean + n, "\xEF\xBF\xBD", 3);
            n += 3;
        }
    }
    text = clean != NULL ? json_stringn(clean, n) : json_null();
    free(clean);
    return text;
}

json_t *
tool_time(uint64_t wall_ms)
{
    char text[TICKS_RFC3339_CAP];

    if (wall_ms == 0) {
        return json_null();
    }
    ticks_rfc3339(wall_ms, text);
    return json_string(text);
}

const char *
tool_str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s != NULL ? s : "";
}

long long
tool_int(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

void
tool_size(char out[32], long long bytes)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)bytes;
    size_t u = 0;

    while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        u++;
    }
    (void)snprintf(out, 32, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

void
tool_duration(char out[32], long long s)
{
    if (s < 60) {
        (void)snprintf(out, 32, "%lld s", s);
    } else if (s < 3600) {
        (void)snprintf(out, 32, "%lld min %lld s", s / 60, s % 60);
    } else if (s < 86400) {
        (void)snprintf(out, 32, "%lld h %lld min", s / 3600, s / 60 % 60);
    } else {
        (void)snprintf(out, 32, "%lld d %lld h", s / 86400, s / 3600 % 24);
    }
}

int
tool_list(struct tool *t, const char *command, json_t *args, const char *heading,
    void (*line)(const json_t *item))
{
    json_t *answer = NULL, *cursor = NULL, *item;
    bool first = true;
    size_t i;
    int code;

    do {
        json_t *ask = json_deep_copy(args);

        if (cursor != NULL) {
            (void)json_object_set_new(ask, "cursor", cursor);
        }
        code = tool_ask(t, command, ask, TOOL_TIMEOUT_MS, &answer);
        if (json_object_get(answer, "error") != NULL) {
            json_decref(args);
            return tool_fail(t, code, answer);
        }
        if (first && !t->json && heading != NULL &&
            json_array_size(json_object_get(answer, "items")) > 0) {
            (void)puts(heading);
            first = false;
        }
        json_array_foreach(json_object_get(answer, "items"), i, item)
        {
            if (t->json) {
                tool_print_json(item);
            } else {
                line(item);
            }
        }
        cursor = json_incref(json_object_get(answer, "cursor"));
        json_decref(answer);
    } while (cursor != NULL);
    json_decref(args);
    return code;
}

int
tool_selection(const struct tool_command *c, int argc, char **argv, json_t *args)
{
    json_t *ids = json_array(), *selectors = json_array();
    int code = 0;

    for (int i = 0; i < argc && code == 0; i++) {
        if (strcmp(argv[i], "--selector") == 0 && i + 1 < argc) {
            (void)json_array_append_new(selectors, json_string(argv[++i]));
        } else if (strncmp(argv[i], "--selector=", 11) == 0) {
            (void)json_array_append_new(selectors, json_string(argv[i] + 11));
        } else if (strcmp(argv[i], "--yes") == 0) {
            (void)json_object_set_new(args, "yes", json_true());
        } else if (argv[i][0] == '-') {
            code = tool_usage(c);
        } else {
            (void)json_array_append_new(ids, json_string(argv[i]));
        }
    }
    (void)json_object_set_new(args, "ids", ids);
    (void)json_object_set_new(args, "selectors", selectors);
    return code;
}
