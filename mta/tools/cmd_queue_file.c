/* tools/cmd_queue_file.c - queue export and queue import. */
#include "bridgehead/ctl_wire.h"
#include "core/base64.h"
#include "core/crc32c.h"
#include "core/io.h"
#include "mail/envelope.h"
#include "tools/tools.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MODE   0600
#define PIECE_BYTES (72 * 1024) /* of content in one question */
#define PAGE        200         /* recipients in one question */
#define ASK_MS      60000

/* path NULL: standard output. */
static int
write_failed(const struct tool *t, const char *path, int rc)
{
    char text[PATH_MAX + 128];

    (void)snprintf(
        text, sizeof(text), "%s: %s", path != NULL ? path : "standard output", error_text(rc));
    return tool_fail(t, BRIDGEHEAD_EXIT_WRITE_FAILED,
        tool_error(BRIDGEHEAD_EXIT_WRITE_FAILED, text,
            "Choose another output file, or look at its space."));
}

/* ---- export */

struct content {
    const char *path; /* NULL, and fd -1: standard output */
    int fd;
    uint64_t bytes;
    uint32_t crc;
};

static int
put_bytes(struct content *c, const char *bytes, size_t n)
{
    uint64_t at = c->bytes;

    c->bytes += n;
    c->crc = crc32c(c->crc, bytes, n);
    if (c->fd >= 0) {
        return io_pwrite_all(c->fd, bytes, n, at);
    }
    return fwrite(bytes, 1, n, stdout) == n && fflush(stdout) == 0 ? 0 : -EIO;
}

static int
export_content(const struct tool *t, const char *id, struct content *c)
{
    static char bytes[BRIDGEHEAD_CTL_BYTES_MAX];
    ssize_t n;

    do {
        json_t *a;
        int rc;
        int code = tool_ask(t, "queue content",
            json_pack("{s:s,s:I}", "id", id, "offset", (json_int_t)c->bytes), ASK_MS, &a);

        if (code != 0) {
            return tool_fail(t, code, a);
        }
        n = base64_decode(slice_of(tool_str(a, "base64")), bytes, sizeof(bytes));
        json_decref(a);
        rc = n < 0 ? BH_ESYNTAX : put_bytes(c, bytes, (size_t)n);
        if (rc < 0) {
            return write_failed(t, c->path, rc);
        }
    } while (n > 0);
    return 0;
}

/* Content first, then the envelope: who finds that has both. */
static int
export_files(const struct tool *t, const char *id, const char *path)
{
    struct content c = { .path = path };
    char envelope_path[PATH_MAX];
    json_t *shown, *envelope, *p1;
    bool came_by_x400;
    int rc, code = tool_show(t, id, &shown);

    if (code != 0) {
        return tool_fail(t, code, shown); /* before a file of that name is emptied */
    }
    came_by_x400 =
        envelope_body_is_p1((uint8_t)envelope_body_of(slice_of(tool_str(shown, "body"))));
    json_decref(shown);
    c.fd = io_open(path, O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
    if (c.fd < 0) {
        return write_failed(t, path, c.fd);
    }
    code = export_content(t, id, &c);
    rc = code == 0 ? io_fsync(c.fd) : 0;
    p1 = code == 0 && rc == 0 && came_by_x400 ? message_file_p1(c.fd) : NULL;
    io_close(&c.fd);
    if (code != 0 || rc < 0) {
        json_decref(p1);
        return code != 0 ? code : write_failed(t, path, rc);
    }
    code = tool_show(t, id, &shown);
    if (code != 0) {
        json_decref(p1);
        return tool_fail(t, code, shown);
    }
    envelope = message_file_from_show(shown, c.bytes, c.crc, true);
    json_decref(shown);
    if (p1 != NULL && envelope != NULL) {
        (void)json_object_set_new(envelope, "p1", p1);
    }
    message_file_envelope(path, envelope_path, sizeof(envelope_path));
    rc = message_file_write(envelope_path, envelope);
    json_decref(envelope);
    return rc < 0 ? write_failed(t, envelope_path, rc) : 0;
}

int
cmd_queue_export(struct tool *t, int argc, char **argv)
{
    struct content c = { .fd = -1 };
    const char *id = NULL, *path = NULL;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--output") == 0 && i + 1 < argc) {
            path = argv[++i];
        } else if (id == NULL && argv[i][0] != '-') {
            id = argv[i];
        } else {
            id = NULL;
            break;
        }
    }
    if (id == NULL) {
        (void)fputs("usage: bridgehead queue export ID [--output FILE]\n", stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    return path != NULL ? export_files(t, id, path) : export_content(t, id, &c);
}

/* ---- import */

struct import {
    const struct tool *t;
    const char *file, *sender;
    json_t *recipients; /* given; may be empty */
    bool force, hold;
    json_int_t handle;
    int fd;
};

static int
refuse(const struct tool *t, const char *file, const char *why, const char *cure)
{
    char text[PATH_MAX + 256];

    (void)snprintf(text, sizeof(text), "%s: %s", file, why);
    return tool_fail(t, BRIDGEHEAD_EXIT_FAILED, tool_error(BRIDGEHEAD_EXIT_FAILED, text, cure));
}

/* The question's answer, or an exit code with the error printed. */
static int
ask(const struct import *im, const char *command, json_t *args, json_t **answer)
{
    int code;

    if (im->handle != 0) {
        (void)json_object_set_new(args, "import", json_integer(im->handle));
    }
    code = tool_ask(im->t, command, args, ASK_MS, answer);
    return code != 0 ? tool_fail(im->t, code, *answer) : 0;
}

static int
send_recipients(const struct import *im, const json_t *recipients)
{
    size_t count = json_array_size(recipients);

    for (size_t from = 0; from < count; from += PAGE) {
        json_t *page = json_array(), *a;
        int code;

        for (size_t i = from; i < MIN(count, from + PAGE); i++) {
            const json_t *r = json_array_get(recipients, i);

            (void)json_array_append_new(
                page, json_pack("{s:s,s:s,s:I}", "address", tool_str(r, "address"), "orcpt",
                          tool_str(r, "orcpt"), "notify", (json_int_t)tool_int(r, "notify")));
        }
        code = ask(im, "queue import recipients", json_pack("{s:o}", "recipients", page), &a);
        if (code != 0) {
            return code;
        }
        json_decref(a);
    }
    return 0;
}

/* Checked against the envelope before anything is asked: its size and checksum. */
static int
check_content(const struct import *im, const json_t *envelope, uint64_t *bytes, uint32_t *crc)
{
    static char piece[PIECE_BYTES];
    ssize_t n;

    *bytes = 0;
    *crc = 0;
    do {
        n = io_pread(im->fd, piece, sizeof(piece), *bytes);
        if (n < 0) {
            return refuse(im->t, im->file, error_text((int)n), "Check the file and its disk.");
        }
        *crc = crc32c(*crc, piece, (size_t)n);
        *bytes += (uint64_t)n;
    } while (n > 0);
    if (json_object_get(envelope, "size") != NULL && !im->force &&
        ((json_int_t)*bytes != tool_int(envelope, "size") ||
            (json_int_t)*crc != tool_int(envelope, "crc32c"))) {
        return refuse(im->t, im->file, "the content is not the one that its envelope describes",
            "It was changed or cut short; --force imports it as it is.");
    }
    if (json_is_false(json_object_get(envelope, "complete")) && !im->force) {
        return refuse(im->t, im->file, "parts of the content are missing",
            "Look at its \"missing\" ranges; --force imports it with the gaps as they are.");
    }
    return 0;
}

static int
send_content(const struct import *im)
{
    static char piece[PIECE_BYTES];
    uint64_t at = 0;
    ssize_t n;

    for (;;) {
        json_t *a;
        int code;

        n = io_pread(im->fd, piece, sizeof(piece), at);
        if (n < 0) {
            return refuse(im->t, im->file, error_text((int)n), "Check the file and its disk.");
        }
        if (n == 0) {
            return 0;
        }
        code = ask(im, "queue import data",
            json_pack("{s:o}", "base64", tool_base64((struct slice){ piece, (size_t)n })), &a);
        if (code != 0) {
            return code;
        }
        json_decref(a);
        at += (uint64_t)n;
    }
}

static int
transfer(struct import *im, const json_t *envelope)
{
    json_t *a, *head = json_copy((json_t *)(uintptr_t)envelope);
    uint64_t bytes;
    uint32_t crc;
    int code = check_content(im, envelope, &bytes, &crc);

    (void)json_object_del(head, "recipients");
    if (code != 0) {
        json_decref(head);
        return code;
    }
    code = ask(im, "queue import open",
        json_pack("{s:o,s:b,s:b}", "envelope", head, "force", im->force, "hold", im->hold), &a);
    if (code != 0) {
        return code;
    }
    im->handle = tool_int(a, "import");
    json_decref(a);
    code = send_recipients(im, json_object_get(envelope, "recipients"));
    code = code != 0 ? code : send_content(im);
    code =
        code != 0
            ? code
            : ask(im, "queue import commit",
                  json_pack("{s:I,s:I}", "size", (json_int_t)bytes, "crc32c", (json_int_t)crc), &a);
    if (code != 0) {
        return code; /* what is left of it in the daemon goes by itself */
    }
    if (im->t->json) {
        tool_print_json(a);
    } else {
        (void)printf("imported as %s\n", tool_str(a, "id"));
    }
    json_decref(a);
    return 0;
}

/* Given on the command line, or read from beside the file. NULL: an exit code, the error printed.
 */
static json_t *
envelope_of(const struct import *im, int *code)
{
    char path[PATH_MAX];
    const char *fault;
    json_t *e;

    if (im->sender != NULL && json_array_size(im->recipients) > 0) {
        return json_pack("{s:s,s:O}", "sender", im->sender, "recipients", im->recipients);
    }
    message_file_envelope(im->file, path, sizeof(path));
    e = message_file_read(path, &fault);
    if (e == NULL) {
        *code = refuse(im->t, path, fault,
            "queue export --output and store repair write a message's envelope beside its content; "
            "or give --sender and --recipient.");
    }
    return e;
}

static bool
parse(struct import *im, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "--force") == 0) {
            im->force = true;
        } else if (strcmp(argv[i], "--hold") == 0) {
            im->hold = true;
        } else if (more && strcmp(argv[i], "--sender") == 0) {
            im->sender = argv[++i];
        } else if (more && strcmp(argv[i], "--recipient") == 0) {
            (void)json_array_append_new(im->recipients, json_pack("{s:s}", "address", argv[++i]));
        } else if (im->file == NULL && argv[i][0] != '-') {
            im->file = argv[i];
        } else {
            return false;
        }
    }
    return im->file != NULL && (im->sender != NULL) == (json_array_size(im->recipients) > 0);
}

int
cmd_queue_import(struct tool *t, int argc, char **argv)
{
    struct import im = { .t = t, .recipients = json_array(), .fd = -1 };
    json_t *envelope;
    int code = 0;

    if (!parse(&im, argc, argv)) {
        json_decref(im.recipients);
        (void)fputs("usage: bridgehead queue import FILE [--force] [--hold] [--sender ADDRESS "
                    "--recipient ADDRESS...]\n",
            stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    im.fd = io_open(im.file, O_RDONLY, 0);
    if (im.fd < 0) {
        code = refuse(t, im.file, error_text(im.fd), "Give the file with the message's content.");
    } else {
        envelope = envelope_of(&im, &code);
        code = envelope != NULL ? transfer(&im, envelope) : code;
        json_decref(envelope);
    }
    io_close(&im.fd);
    json_decref(im.recipients);
    return code;
}
