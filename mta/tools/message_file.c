#include "core/io.h"
#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>

#define FORMAT    "bridgehead-message"
#define VERSION   1
#define FILE_MODE 0600
#define BYTES_MAX (64 * MIB) /* of an envelope: ten thousand recipients with long replies */
#define SUFFIX    ".eml"

void
message_file_envelope(const char *file, char *out, size_t cap)
{
    size_t n = strlen(file), suffix = sizeof(SUFFIX) - 1;

    if (n > suffix && strcmp(file + n - suffix, SUFFIX) == 0) {
        n -= suffix;
    }
    (void)snprintf(out, cap, "%.*s.json", (int)n, file);
}

static bool
is_live(const json_t *recipient)
{
    static const char *const final[] = { "delivered", "failed", "expanded", "removed" };

    for (size_t i = 0; i < ARRAY_LEN(final); i++) {
        if (strcmp(tool_str(recipient, "state"), final[i]) == 0) {
            return false;
        }
    }
    return true;
}

json_t *
message_file_from_show(const json_t *shown, uint64_t bytes, uint32_t crc, bool complete)
{
    static const char *const kept[] = { "id", "store", "sender", "envid", "body", "hops",
        "received", "received_ms", "client", "held" };
    json_t *e = json_pack("{s:s,s:i}", "format", FORMAT, "version", VERSION);
    json_t *list = json_array(), *r;
    size_t i;

    for (i = 0; i < ARRAY_LEN(kept); i++) {
        (void)json_object_set(e, kept[i], json_object_get(shown, kept[i]));
    }
    (void)json_object_set_new(e, "size", json_integer((json_int_t)bytes));
    (void)json_object_set_new(e, "crc32c", json_integer((json_int_t)crc));
    (void)json_object_set_new(e, "complete", json_boolean(complete));
    json_array_foreach(json_object_get(shown, "recipients"), i, r)
    {
        if (is_live(r)) {
            (void)json_array_append(list, r);
        }
    }
    (void)json_object_set_new(e, "recipients", list);
    return e;
}

int
message_file_write(const char *envelope_file, const json_t *envelope)
{
    char *text = json_dumps(envelope, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    int rc = text != NULL ? io_write_file(envelope_file, slice_of(text), FILE_MODE) : -ENOMEM;

    free(text);
    return rc;
}

static const char *
fault_of(const json_t *e)
{
    const json_t *recipients = json_object_get(e, "recipients");

    if (!json_is_object(e) || strcmp(tool_str(e, "format"), FORMAT) != 0) {
        return "it is no envelope that queue export or store repair wrote";
    }
    if (tool_int(e, "version") > VERSION) {
        return "a newer release wrote it: use that release's bridgehead";
    }
    if (!json_is_string(json_object_get(e, "sender"))) {
        return "it has no sender";
    }
    if (!json_is_array(recipients) || json_array_size(recipients) == 0) {
        return "it has no recipients";
    }
    return NULL;
}

json_t *
message_file_read(const char *envelope_file, const char **fault)
{
    char *text = malloc(BYTES_MAX);
    json_t *e = NULL;
    size_t n;
    int rc = text != NULL ? io_read_file(envelope_file, text, BYTES_MAX, &n) : -ENOMEM;

    *fault = rc < 0 ? error_text(rc) : NULL;
    if (rc == 0) {
        e = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
        *fault = e != NULL ? fault_of(e) : "it is not JSON";
    }
    free(text);
    if (*fault != NULL) {
        json_decref(e);
        return NULL;
    }
    return e;
}
