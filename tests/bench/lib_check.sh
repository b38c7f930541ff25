# shellcheck shell=bash
# shellcheck disable=SC2154 # $name is the caller's
# lib_check.sh - sourced by the checks of the benchmark's tools: a folder, a sink that is ended with it, and what they say.
set -euo pipefail

work=$(mktemp -d)
sink_pid=""
trap '[ -z "$sink_pid" ] || kill "$sink_pid" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*"
    head -c 2000 "$work"/*.json "$work"/*.log 2>/dev/null || true
    exit 1
}

# sink_run COMMAND...: returns when it has written $work/ready
sink_run() {
    rm -f "$work"/*
    "$@" --json "$work/sink.json" --ready "$work/ready" &
    sink_pid=$!
    until [ -s "$work/ready" ]; do
        kill -0 "$sink_pid" || fail "the sink does not start"
        sleep 0.02
    done
}

sink_end() {
    wait "$sink_pid" || fail "the sink ends with $?"
    sink_pid=""
}

expect() { # FILE KEY VALUE
    grep -q "\"$2\": $3[,}]" "$work/$1.json" || fail "$name: $1 should say $2 = $3"
}
