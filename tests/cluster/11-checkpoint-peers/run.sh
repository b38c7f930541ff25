#!/bin/bash
# The cluster hands on to a second Bridgehead, and each is killed at random under load: nothing is lost, and nothing is
# taken in twice, since both speak CHECKPOINT. Then without it: what comes twice is seen.
#
#   KILLS=N   so many faults drawn at random (by default six that are fixed), SEED=S the same ones in the same order
#
# What the second one hands on twice after a kill of its own is counted by itself: the sink does not speak CHECKPOINT.
# shellcheck disable=SC2016 # programs for another shell
RATE=${RATE:-400} # some ten are in doubt at a fault: slowsync.c
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"
# shellcheck source=SCRIPTDIR/../support/far.sh
. "$SUPPORT/far.sh"
here=$(cd "$(dirname "$0")" && pwd)

only_bridgehead
FIXED=(far server far cut-far far both)
ANY=(far far far far server both cut cut-far server-far move-far)
RANDOM=${SEED:-$RANDOM}
cuts=''

# ---- the second Bridgehead

far_config() { # CHECKPOINT
    cat >"$CASE_OUT/far/far.conf" <<CONF
hostname = "far.lab.example";
user = "nobody";
vip = ["$FAR"];
store = { path = "/mnt/store"; reserve = "64MiB"; };
log = { to = "file:/mnt/far.log"; level = "info"; };
listener = { mx = { protocol = "smtp"; address = "vip"; port = 2525; checkpoint = $1; }; };
relay = { clients = ["10.77.0.0/24"]; };
connector = { on = { protocol = "smtp"; next_hop = ["[10.77.0.210]:2525"]; }; };
route = ( { to = "*"; via = ["on"]; } );
retry = { schedule = ["1s"]; destination = ["200ms"]; };
CONF
}
far_up() {
    far_prepare true
    cc -shared -fPIC -O2 -o "$CASE_OUT/far/slowsync.so" "$here/slowsync.c" -ldl || fail "needs a C compiler"
    far_slow
}
far_slow() { far_start LD_PRELOAD=/mnt/slowsync.so; }
far_drains() {
    local limit=$((SECONDS + 60))

    until far --json queue list >"$CASE_OUT/far.queue" && ! grep -q '@lab\.example' "$CASE_OUT/far.queue"; do
        [ "$SECONDS" -lt "$limit" ] || fail "the second Bridgehead's queue is not empty after 60 s: $(head -n 3 "$CASE_OUT/far.queue")"
        sleep 0.2
    done
}

# ---- faults

struck() { cuts="$cuts --cut $1"; }
a_moment() { sleep "0.$(printf %02d $((RANDOM % 100)))"; } # of the load; any will do

fell() { # FAULT OWNER
    case $1 in
    cut) lab kill "$2" ;;
    server) strike_in "$2" kill -9 "$(server_pid "$2")" ;;
    both) kill_both "$2" ;;
    move) stamp && lab move ;;
    esac
}

strike() { # FAULT: the cluster's, the second one's, or both's at once
    local owner='' fault=${1%far} at

    fault=${fault%-}
    a_moment
    if [ -n "$fault" ]; then
        owner=$(lab owner --wait 60)
        fell "$fault" "$owner" >"$CASE_OUT/struck" &
        at=$!
        case $1 in *-far) sleep "0.0$((RANDOM % 10))" ;; esac
    fi
    case $1 in *far)
        struck "$(far_kill)"
        far_slow
        ;;
    esac
    [ -n "$fault" ] || return 0
    wait "$at" || fail "$1 of $owner did not happen"
    struck "$(head -n 1 "$CASE_OUT/struck")"
    case $fault in cut) lab wait fenced "$owner" ;; esac
    served_since "$(stamp)" 90
    lab wait --timeout 120 idle
    lab exec "$(lab owner --wait 60)" crm_resource --resource mta --cleanup >/dev/null 2>&1 || true
    lab wait --timeout 120 idle
}

all_drains() {
    lab exec "$(lab owner)" bridgehead queue retry --selector all >/dev/null
    queue_drains
    far_drains
}
judge() { # CHECKER_OPTION...: of all that was sent
    # shellcheck disable=SC2086
    "$SUPPORT/checker" --sent "$@" --sink "$CASE_OUT/sink" --wait 5 --vip "$FAR" --from "$VIP" $cuts
}

case_start
new_lab --config "$here/bridgehead.conf.in"
lab exec remote "$SUPPORT/sink" --out "$CASE_OUT/sink" --listen 10.77.0.210:2525 --via --until "$CASE_OUT/stop-sink" &
sink_job=$!
case_jobs=$sink_job
wait_for_file_line "$CASE_OUT/sink" '"ready"' 10
far_up

load_start "$RATE"
wait_for_acked "$RATE"
for ((kill = 0; kill < ${KILLS:-${#FIXED[@]}}; kill++)); do
    fault=${FIXED[kill % ${#FIXED[@]}]}
    [ -z "${KILLS:-}" ] || fault=${ANY[RANDOM % ${#ANY[@]}]}
    strike "$fault" >&2
    say "$fault: served by $(lab owner --wait 60), asked for again $(grep -c smtp.in.known "$CASE_OUT/far/far.log")"
done
load_stop
all_drains
judge "$CASE_OUT/prober" "$CASE_OUT/sender" || fail "a promise was broken"
say "ok: $kill faults, nothing lost, nothing taken in twice"

far stop
far_config false
far_slow
lab exec client "$SUPPORT/sender" --to "$VIP" --tag c --out "$CASE_OUT/control" --rate "$RATE" --until "$CASE_OUT/stop-control" &
control=$!
case_jobs="$case_jobs $control"
for ((kill = 1; kill <= 40; kill++)); do
    strike far
    judge "$CASE_OUT/prober" "$CASE_OUT/sender" "$CASE_OUT/control" --expect-twice --duplicates any >"$CASE_OUT/judged" 2>&1 && break
done
touch "$CASE_OUT/stop-control"
wait "$control" || fail "the sender failed"
all_drains
judge "$CASE_OUT/prober" "$CASE_OUT/sender" "$CASE_OUT/control" --expect-twice || fail "no duplicate without CHECKPOINT"
say "ok: without CHECKPOINT some are taken in twice, after $kill faults"
far stop
