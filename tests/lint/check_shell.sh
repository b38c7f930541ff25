#!/usr/bin/env bash
# check_shell.sh SOURCE_DIR - shellcheck over every shell script; the agent as plain POSIX sh.
set -euo pipefail
cd "$1"
command -v shellcheck >/dev/null || {
    echo "shellcheck is missing: apt-get install shellcheck" >&2
    exit 1
}
rc=0
while IFS= read -r -d '' file; do
    case $file in
    ./ra/mta) shellcheck -x -s sh "$file" || rc=1 ;;
    *.sh) shellcheck -x -P SCRIPTDIR "$file" || rc=1 ;;
    *)
        first=$(head -c 64 "$file" | head -n 1 | tr -d '\0')
        if [[ $first =~ ^\#!.*[/\ ](ba|da)?sh($|\ ) ]]; then
            shellcheck -x -P SCRIPTDIR "$file" || rc=1
        fi
        ;;
    esac
done < <(find . -path ./.git -prune -o -path './build*' -prune -o -path '*/corpus' -prune -o -type f -size -200k ! -name '*.[ch]' ! -name '*.md' -print0)
exit "$rc"
