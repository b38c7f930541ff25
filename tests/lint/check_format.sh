#!/usr/bin/env bash
# check_format.sh SOURCE_DIR - all C as clang-format 14 writes it; repair with clang-format-14 -i.
set -euo pipefail
cd "$1"
command -v clang-format-14 >/dev/null || {
    echo "clang-format-14 is missing: apt-get install clang-format-14" >&2
    exit 1
}
find mta include tests -name '*.[ch]' -print0 | xargs -0 -r clang-format-14 --dry-run -Werror
