# shellcheck shell=bash
# shellcheck disable=SC2034,SC2119,SC2120 # set here, used by the cases; options are optional
# case.sh - sourced by every cluster test: the lab, the load and what must hold at the end.
#
# A case runs in the lab that is up under LAB_NAME, or brings one up for itself and takes it down again. Settings:
#   LAB_NAME   (cluster-test)   LAB_MTA  (bridgehead)   LAB_PREFIX  where Bridgehead is installed (/usr)
#   CASE_OUT   where records and logs go (a temporary directory, kept when the case fails)
set -eu

SUPPORT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB=$SUPPORT/../../../deploy/lab/lab
CASE=$(basename "$(cd "$(dirname "$0")" && pwd)")
export LAB_NAME=${LAB_NAME:-cluster-test}
LAB_MTA=${LAB_MTA:-bridgehead}
VIP=10.77.0.100
VIP6=fd77::100
RATE=${RATE:-200}
case_jobs=''
own_lab=no
own_out=no

say() { echo "$CASE: $*"; }

fail() {
    echo "$CASE: FAILED: $*" | tee "$CASE_OUT/failure" >&2
    exit 1
}

# assert WHAT COMMAND...
assert() {
    local what=$1

    shift
    "$@" || fail "$what ($*)"
    say "ok: $what"
}

at_most() { awk -v value="$1" -v limit="$2" 'BEGIN { exit !(value != "" && value + 0 <= limit + 0) }'; }

stamp() { date +%s.%N; }

lab() { "$LAB" "$@"; }

lab_is_up() { "$LAB" list | grep -qx "$LAB_NAME"; }

# lab_up [OPTION...]: use the lab that is there, or make one
lab_up() {
    if ! lab_is_up; then
        lab up --mta "$LAB_MTA" --prefix "${LAB_PREFIX:-/usr}" "$@"
        own_lab=yes
    fi
    lab heal
    lab wait idle
}

# new_lab [OPTION...]: a lab of its own for this case, beside any other
new_lab() {
    export LAB_NAME=$LAB_NAME-$CASE
    own_lab=yes
    lab up --mta "$LAB_MTA" --prefix "${LAB_PREFIX:-/usr}" "$@"
}

case_end() {
    local rc=$? job

    trap - EXIT
    touch "$CASE_OUT/stop-load" "$CASE_OUT/stop-sink" 2>/dev/null || true
    if [ "$rc" = 0 ]; then
        [ -z "$case_jobs" ] || wait "$sink_job" || rc=1
    else
        for job in $case_jobs; do kill "$job" 2>/dev/null || true; done
    fi
    if [ "$rc" != 0 ] && lab_is_up; then
        lab collect "$CASE_OUT/logs" || true
        lab status || true
    fi
    if [ "$own_lab" = yes ]; then lab down || rc=1; fi
    if [ "$rc" = 0 ]; then
        say "passed in $((SECONDS - case_began)) s"
        [ "$own_out" = no ] || rm -rf "$CASE_OUT"
    else
        say "failed after $((SECONDS - case_began)) s; records and logs: $CASE_OUT"
    fi
    exit "$rc"
}

case_start() {
    if [ -z "${CASE_OUT:-}" ]; then
        CASE_OUT=$(mktemp -d "/var/tmp/$CASE.XXXXXX")
        own_out=yes
    fi
    case_began=$SECONDS
    mkdir -p "$CASE_OUT"
    rm -rf "${CASE_OUT:?}"/*
    trap case_end EXIT
    trap 'exit 1' INT TERM
}

wait_for_file_line() { # FILE PATTERN SECONDS
    local limit=$((SECONDS + $3))

    until grep -q "$2" "$1" 2>/dev/null; do
        [ "$SECONDS" -lt "$limit" ] || fail "no '$2' in $1 within $3 s"
        sleep 0.05
    done
}

# sink_start [DELAY_S]
sink_start() {
    lab exec remote "$SUPPORT/sink" --out "$CASE_OUT/sink" --listen 0.0.0.0:2525 --listen '[::]:2526' \
        --delay "${1:-0}" --until "$CASE_OUT/stop-sink" &
    sink_job=$!
    case_jobs="$case_jobs $sink_job"
    wait_for_file_line "$CASE_OUT/sink" '"ready"' 10
}

sink_stop() {
    touch "$CASE_OUT/stop-sink"
    wait "$sink_job" || true
}

# load_start [RATE]: prober every 50 ms and, with a rate above 0, a sender; returns when the first message is acknowledged
load_start() {
    lab exec client "$SUPPORT/prober" --to "$VIP" --out "$CASE_OUT/prober" --until "$CASE_OUT/stop-load" &
    prober_job=$!
    case_jobs="$case_jobs $prober_job"
    sender_job=''
    if [ "${1:-$RATE}" != 0 ]; then
        lab exec client "$SUPPORT/sender" --to "$VIP" --out "$CASE_OUT/sender" --rate "${1:-$RATE}" --timeout 12 \
            --size "${SIZE:-1000}" \
            --until "$CASE_OUT/stop-load" &
        sender_job=$!
        case_jobs="$case_jobs $sender_job"
    fi
    wait_for_file_line "$CASE_OUT/prober" '"acked"' 20
}

# served_since TIME: wait until a probe that began after TIME was acknowledged
served_since() {
    local limit=$((SECONDS + ${2:-60}))

    until awk -F '[:,]' -v t="$1" '/"acked"/ { for (i = 1; i < NF; i++) if ($i == "\"start\"" && $(i + 1) > t) found = 1 }
        END { exit !found }' "$CASE_OUT/prober"; do
        [ "$SECONDS" -lt "$limit" ] || fail "no service within ${2:-60} s of the fault"
        sleep 0.1
    done
}

load_stop() {
    touch "$CASE_OUT/stop-load"
    wait "$prober_job" || fail "the prober failed"
    [ -z "$sender_job" ] || wait "$sender_job" || fail "the sender failed"
}

# The owner's queue in $CASE_OUT/queue; queue.ok has content if there was an answer.
queue_listing() {
    local at

    : >"$CASE_OUT/queue.ok"
    at=$(lab owner) || return 0
    if [ "$LAB_MTA" = postfix ]; then
        lab exec "$at" postqueue -c /etc/postfix-lab -j
    else
        lab exec "$at" bridgehead --json queue list
    fi >"$CASE_OUT/queue" 2>"$CASE_OUT/queue.err" || return 0
    echo yes >"$CASE_OUT/queue.ok"
}

# report FAULT_TIME: prints the outage and leaves it in $outage, $refused
report() {
    "$SUPPORT/prober" --report "$CASE_OUT/prober" --fault "$1"
    "$SUPPORT/prober" --report "$CASE_OUT/prober" --fault "$1" --json >"$CASE_OUT/outage.json"
    outage=$(sed -E 's/.*"outage_s": ([0-9.]+).*/\1/' "$CASE_OUT/outage.json")
    refused=$(sed -E 's/.*"refused": ([0-9]+).*/\1/' "$CASE_OUT/outage.json")
}

# verify [CHECKER_OPTION...]: nothing lost, no duplicate that was not in doubt, every peer the VIP
verify() {
    local sent="$CASE_OUT/prober"

    [ ! -e "$CASE_OUT/sender" ] || sent="$sent $CASE_OUT/sender"
    # shellcheck disable=SC2086
    "$SUPPORT/checker" --sent $sent --sink "$CASE_OUT/sink" --wait 20 --vip "$VIP" --vip "$VIP6" "$@" &&
        return 0
    queue_listing
    # shellcheck disable=SC2086
    "$SUPPORT/checker" --sent $sent --sink "$CASE_OUT/sink" --queue "$CASE_OUT/queue" --wait 0 \
        --vip "$VIP" --vip "$VIP6" "$@" || fail "a promise was broken"
}

acked_count() {
    grep -c '"acked"' "$CASE_OUT/sender" 2>/dev/null || [ -e "$CASE_OUT/sender" ] || echo 0
}

# wait_for_acked COUNT: messages of the sender
wait_for_acked() {
    local limit=$((SECONDS + 60))

    until [ "$(acked_count)" -ge "$1" ]; do
        [ "$SECONDS" -lt "$limit" ] || fail "no $1 messages acknowledged within 60 s"
        sleep 0.1
    done
}

# verify_loss OWNER CUT: succeeds if acknowledged mail is gone once the queue has been taken over and drained
verify_loss() {
    lab wait fenced "$1"
    lab wait started
    queue_drains
    "$SUPPORT/checker" --sent "$CASE_OUT/prober" "$CASE_OUT/sender" --sink "$CASE_OUT/sink" --cut "$2" --expect-loss ||
        fail "the lab's power cut keeps unsynced data"
    say "ok: with syncs that do nothing, acknowledged mail is lost"
}

# Wait until the queue is empty.
queue_drains() {
    local limit=$((SECONDS + ${1:-60}))

    until queue_listing && [ -s "$CASE_OUT/queue.ok" ] && ! grep -q '@lab\.example' "$CASE_OUT/queue"; do
        [ "$SECONDS" -lt "$limit" ] || fail "the queue is not empty after ${1:-60} s: $(head -n 3 "$CASE_OUT/queue")"
        sleep 0.5
    done
}

# The time at which a node was last switched off by a fence agent.
fenced_at() {
    date -r "/run/bridgehead-lab/$LAB_NAME/fenced/$1" +%s.%N
}

SERVER='^[^ ]*bridgeheadd --server '
BOTH='^[^ ]*bridgeheadd --'

server_pid() {
    lab exec "$1" pgrep -f "$SERVER" || fail "no server process on $1"
}

# strike_in NODE COMMAND...: runs it there and prints when it had been done; getting there takes a moment
strike_in() {
    # shellcheck disable=SC2016
    lab exec "$1" sh -c '"$@" && date +%s.%N' sh "${@:2}"
}

# SIGKILL of keeper and server at once, in that node's pid namespace.
kill_both() {
    strike_in "$1" pkill -9 -f "$BOTH"
}

# wait_for_server NODE OLD_PID
wait_for_server() {
    local limit=$((SECONDS + 30)) pid

    until pid=$(lab exec "$1" pgrep -f "$SERVER") && [ "$pid" != "$2" ]; do
        [ "$SECONDS" -lt "$limit" ] || fail "no new server on $1"
        sleep 0.1
    done
}

# status_says NODE WORD: waits, as the daemon may need a moment to notice
status_says() {
    local limit=$((SECONDS + 15))

    until lab exec "$1" bridgehead --json status 2>/dev/null | grep -q "\"state\": *\"$2\""; do
        [ "$SECONDS" -lt "$limit" ] || return 1
        sleep 0.05
    done
}

# wait_for_reply CODE_START TIME: a probe after TIME was answered with such a code
wait_for_reply() {
    local limit=$((SECONDS + 60))

    until awk -F '[:,]' -v t="$2" '/"failed"/ && /"reply":"'"$1"'/ { for (i = 1; i < NF; i++) if ($i == "\"end\"" && $(i + 1) > t) found = 1 }
        END { exit !found }' "$CASE_OUT/prober"; do
        [ "$SECONDS" -lt "$limit" ] || fail "no reply $1x within 60 s"
        sleep 0.1
    done
}

# What a node that loses quorum had out at that moment is in doubt, as it stops sending at once: options for verify.
quorum_losses() {
    local node at

    for node in node1 node2 node3; do
        lab log "$node" mta 2>/dev/null | sed -n 's/^\([^ ]*\) .* egress\.cut .*reason="quorum lost".*/\1/p' | while read -r at; do
            echo "--cut $(date -d "$at" +%s.%N)"
        done
    done
}

# refused_only_before FAULT STEP: no connection begun after that step of the move was refused.
refused_only_before() {
    "$SUPPORT/phases" --logs "$CASE_OUT/logs" --fault "$1" --json >"$CASE_OUT/phases.json"
    python3 - "$CASE_OUT" "$2" <<'PY'
import json, sys
out, step = sys.argv[1:]
refused = json.load(open(f"{out}/outage.json"))["refused_begun_s"]
left = json.load(open(f"{out}/phases.json"))["steps"].get(step)
late = [at for at in refused if left is None or at > left]
print(f"refused {len(refused)}, '{step}' at {left} s, after it {late[:5]}")
sys.exit(1 if late else 0)
PY
}

only_bridgehead() {
    [ "$LAB_MTA" = bridgehead ] || { say "skipped: Postfix has no such thing" && exit 0; }
}
