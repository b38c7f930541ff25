#!/bin/bash
# Does x400_load count right? Loader to sink on loopback, with no MTA between.
# Usage: check_x400_load.sh X400_LOAD
# shellcheck source=SCRIPTDIR/lib_check.sh
. "$(dirname "$0")/lib_check.sh"

x400_load=$1

sink_start() { # ARGUMENT...
    sink_run "$x400_load" receive --listen 127.0.0.1 --local SINK,sink --peer LOAD,load "$@"
}

load() {
    "$x400_load" send --to "$(cat "$work/ready")" --local LOAD,load --peer SINK,sink --json "$work/load.json" "$@" ||
        fail "$name: the loader ends with $?"
}

for mode in normal x410 1984; do
    name="many messages over several associations, $mode"
    sink_start --count 300 --mode "$mode"
    load --sessions 5 --messages 300 --mode "$mode"
    sink_end
    expect load acked 300
    expect load deferred 0
    expect sink messages 300
    expect sink distinct 300
    expect sink duplicates 0
    expect sink others 0
    expect sink altered 0
    expect sink bytes $((300 * 4096))
done

name="every size around the pattern's and the pieces' ends"
sink_start --count 9
first=0
for size in 0 1 4096 32767 32768 65521 65522 1000000 10000000; do
    load --size "$size" --first "$first"
    first=$((first + 1))
done
sink_end
expect sink distinct 9
expect sink altered 0
expect sink bytes 11200675

name="what came before is counted as such"
sink_start --count 4
load --messages 3
load --messages 4
sink_end
expect sink distinct 4
expect sink messages 4
expect sink duplicates 3

name="as many a second as told, and the sink knows how long each took"
sink_start --count 200
load --sessions 3 --messages 200 --rate 1000
sink_end
expect load acked 200
expect sink distinct 200
grep -q '"latency_ms": {"count": 200,' "$work/sink.json" || fail "$name: not every message's time is known"
awk 'match($0, /"seconds": [0-9.]*/) { exit substr($0, RSTART + 11, RLENGTH - 11) < 0.199 }' "$work/load.json" ||
    fail "$name: messages left before they were due"

name="a sink that is not well: nothing is taken, and both sides say so"
sink_start --flap 50
if "$x400_load" send --to "$(cat "$work/ready")" --local LOAD,load --peer SINK,sink --json "$work/load.json" --size 100000 --tries 5; then
    fail "$name: a message was taken"
fi
kill "$sink_pid"
sink_end
expect load failed 1
expect sink messages 0
! grep -q '"cuts": 0,' "$work/sink.json" || fail "$name: nothing was cut"
echo "passed"
