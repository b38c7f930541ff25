#!/usr/bin/env bash
# check_selftest.sh SOURCE_DIR EVENTS_TABLE - a lint that cannot fail proves nothing: plant each
# violation in a small tree and see that the lint names it.
set -euo pipefail
source_dir=$1
events_table=$2
lint=$source_dir/tests/lint
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

clean_tree() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{layers,include,ra,tests,mta/{core,net,queue,smtp,ctl,cluster}}
    cp "$source_dir/.clang-format" "$tree/"
    echo "loop" >"$tree/layers/net"
    echo "mail loop" >"$tree/layers/queue"
    echo "mail loop net" >"$tree/layers/smtp"
    for m in core loop mail; do echo >"$tree/layers/$m"; done
    # none of these is a violation
    cat >"$tree/mta/queue/fine.c" <<'C'
#include "core/base.h" /* connect( in a comment, and sprintf(x) */
#include "mail/envelope.h"
#include "queue/queue.h"
#include <stdio.h>

// open("x");
static const char *text = "open(2) failed; \" rename(";
int x = ops->open(path) + s.connect(a) + reconnect(b) + io_open(c);
C
}

# Called by name, in refuses.
# shellcheck disable=SC2317
layers() { "$lint/check_layers.sh" "$tree" "$tree/layers"; }
# shellcheck disable=SC2317
format() { "$lint/check_format.sh" "$tree"; }
# shellcheck disable=SC2317
shell() { "$lint/check_shell.sh" "$tree"; }

# refuses LINT FILE TEXT WORD: with TEXT in FILE, LINT fails and its output has WORD
refuses() {
    local out
    clean_tree
    printf '%s\n' "$3" >"$tree/$2"
    if out=$("$1" 2>&1); then
        echo "$1 passes with this in $2: $3"
        failed=1
    elif [[ $out != *"$4"* ]]; then
        echo "$1 fails with this in $2, but does not name it: $3: $out"
        failed=1
    fi
}

clean_tree
layers || { echo "layers fails on a clean tree"; failed=1; }
shell || { echo "shell fails on a clean tree"; failed=1; }

refuses layers mta/smtp/a.c '#include "queue/queue.h"' "mta/smtp/a.c:1: mta/smtp may not include queue/"
refuses layers mta/core/a.h '#include "mail/envelope.h"' "mta/core may not include mail/"
refuses layers mta/queue/a.c '#include "envelope.h"' "with its folder"
refuses layers mta/ctl/a.c '#include "core/base.h"' "mta/ctl is no module"
refuses layers layers/mail 'queue' "cycle"
refuses layers mta/smtp/a.c '#include <uv.h>' "uv.h belongs"
refuses layers mta/queue/a.c '#include <openssl/ssl.h>' "OpenSSL belongs"
refuses layers mta/cluster/a.c '#include <corosync/cpg.h>' "corosync belongs"
refuses layers mta/smtp/a.c '#include <qb/qblog.h>' "libqb belongs"
refuses layers mta/net/dns.c '#include <unbound.h>' "libunbound belongs"
refuses layers mta/core/conf_table.c '#include <libconfig.h>' "libconfig belongs"
refuses layers mta/net/conn.c 'rc = connect(fd, sa, n);' "connect(2) belongs"
refuses layers mta/net/conn.c 'rc = uv_tcp_connect(req, tcp, sa, cb);' "connect(2) belongs"
refuses layers mta/net/conn.c 'rc = getaddrinfo(a, b, c, d);' "names are resolved"
for f in open fopen pwrite pwritev fsync fdatasync rename unlink link ftruncate uv_fs_open; do
    refuses layers mta/queue/a.c "if ($f(a) < 0) {" "files are touched"
done
for f in sprintf strcpy strcat atoi alloca strncpy strtok; do
    refuses layers mta/smtp/a.c "x = $f(a);" "banned function"
done
refuses layers mta/smtp/a.c "x = strerror(a);" "error_text"
refuses layers mta/smtp/a.c "$(yes ';' | head -n 1001)" "1000 is the limit"
refuses layers mta/smtp/a.c "{$(yes | head -n 72)"$'\n}' "70 is the limit"
refuses layers mta/smtp/fine.c 'int y;' "same file name"
refuses format mta/smtp/a.c 'int  a ;' "clang-format"
# shellcheck disable=SC2016
refuses shell ra/mta $'#!/bin/sh\nx=(1 2)\necho "${x[0]}"' "SC3030"
# shellcheck disable=SC2016
refuses shell tests/run $'#!/usr/bin/env bash\nrm $1' "SC2086"
"$events_table" --selftest >/dev/null 2>&1 || failed=1
exit "$failed"
