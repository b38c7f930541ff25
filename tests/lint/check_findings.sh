#!/usr/bin/env bash
# check_findings.sh SOURCE_DIR: every finding of findings.h is found by some code, and named nowhere else.
set -euo pipefail
cd "$1"
rows=$(grep -o 'X(FINDING_[A-Z_]*' include/bridgehead/findings.h | cut -c3- | sort -u)
used=$(grep -rhoE --include='*.c' '\bFINDING_[A-Z_]+' mta | sort -u)
bad=0
while read -r symbol; do
    grep -qx "$symbol" <<<"$used" || { echo "findings.h: $symbol is found by no code in mta/"; bad=1; }
done <<<"$rows"
exit $bad
