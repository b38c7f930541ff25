#!/bin/bash
# How the next owner claims: a fenced owner is confirmed dead by the cluster, a moved one has released, a stop after a
# crash has marked its epoch; in none of them a lease is waited for.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

only_bridgehead
case_start
lab_up

# claim CAUSE: how the present owner came to the store, and that it waited for no lease (7.5 s)
claim() {
    local report

    report=$(lab exec "$(lab owner)" bridgehead --json failover report)
    echo "$report"
    case $report in *"\"cause\":\"$1\""*) ;; *) return 1 ;; esac
    case $report in *'"wait_s":0.'*) ;; *) return 1 ;; esac
}

lab move
assert "after a move the store was released" claim released

owner=$(lab owner)
lab kill "$owner"
lab wait fenced "$owner"
lab wait started
# as the agent saw it, or nearly: the fenced node is back in a few seconds
lab exec "$(lab owner)" crm_mon --one-shot --output-as=xml --include=none,options,nodes | grep "name=\"$owner\"" || true
assert "after a power cut the owner was confirmed dead" claim fenced
lab wait idle

owner=$(lab owner)
epoch() { lab exec "$(lab owner)" bridgehead --json status 2>/dev/null | sed -nE 's/.*"epoch":([0-9]+).*/\1/p'; }
before=$(epoch)
# both processes at once: the server dies with its keeper
# shellcheck disable=SC2016
lab exec "$owner" sh -c 'kill -KILL "$(cat /run/bridgehead/bridgehead/pid)"'
limit=$((SECONDS + 60))
until now=$(epoch) && [ -n "$now" ] && [ "$now" -gt "$before" ]; do
    [ "$SECONDS" -lt "$limit" ] || fail "no new owner within 60 s"
    sleep 0.2
done
assert "after a crash the stop had marked the epoch" claim dead
lab exec "$(lab owner)" crm_resource --cleanup --resource mta >/dev/null 2>&1 || true
lab wait idle
