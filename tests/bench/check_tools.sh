#!/bin/bash
# Do the benchmark's tools count right? smtp_load to smtp_sink on loopback, every mode that ends.
# Usage: check_tools.sh SMTP_LOAD SMTP_SINK
# shellcheck source=SCRIPTDIR/lib_check.sh
. "$(dirname "$0")/lib_check.sh"

smtp_load=$1
smtp_sink=$2

sink_start() { # MODE ARGUMENT...
    sink_run "$smtp_sink" --listen "127.0.0.1:0=$1" --log "$work/sink.log" "${@:2}"
}

sink_stop() {
    kill "$sink_pid" 2>/dev/null || true
    sink_end
}

load() {
    "$smtp_load" --to "$(cat "$work/ready")" --json "$work/load.json" --log "$work/load.log" "$@" || true
}

name="plain client, several sessions and connections"
sink_start normal --count 1000
load --sessions 7 --messages 1000 --per-connection 9 --size 3000
wait "$sink_pid"
sink_pid=""
expect load acked 1000
expect load failed 0
expect sink distinct 1000
expect sink duplicates 0
expect sink unnumbered 0
[ "$(grep -c '^dot ' "$work/sink.log")" = 1000 ] || fail "$name: sink's log"
[ "$(grep -c '^acked ' "$work/load.log")" = 1000 ] || fail "$name: loader's log"

name="every size around the buffers' ends, pipelined"
sink_start normal
first=0
for size in 1 300 4095 4096 4097 65535 262143 262144 262145 1000001; do
    load --pipeline --messages 3 --size "$size" --first "$first" --rate 1000
    expect load acked 3
    first=$((first + 3))
done
load --messages 3 --first 0
sink_stop
expect sink distinct 30
expect sink duplicates 3

name="a delayed answer"
sink_start delay:30
load --sessions 4 --messages 40
sink_stop
expect load acked 40
[ "$(grep -c '^answered ' "$work/sink.log")" = 40 ] || fail "$name: sink's log"

for mode in rcpt4 rcpt5 dot4 dot5; do
    name="refused: $mode"
    sink_start "$mode"
    load --sessions 2 --messages 10
    sink_stop
    expect load failed 10
    expect load acked 0
    expect sink refused 10
    expect sink messages 0
done

name="no answer to the dot"
sink_start dothole
load --sessions 2 --messages 2 --timeout 1
sink_stop
expect load unknown 2
expect sink distinct 2
echo "passed"
