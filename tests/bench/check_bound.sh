#!/bin/sh
# check_bound.sh BENCH_BOUND - a day of 30,000 messages in segments of 1 MiB, 5 % of them deferred.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$1" --dir "$dir" --messages 30000 --segment 1024
