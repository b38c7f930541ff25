#!/bin/bash
# The cluster and a Bridgehead beside it exchange messages of 10 MB over four P1 connectors, in all three modes, told apart
# by T-selectors alone: over one VIP, then each connector over its own. A planned move, a power cut, a freeze and a
# partition in the middle of transfers in both directions: nothing is lost, nothing comes twice, every association comes
# back by itself, and the peer sees the VIPs only. (Loops: tests/integration/81-x400-relay, with three in a ring.)
#
#   FAULTS_ONE='...' FAULTS_OWN='...'   other faults, of move, cut, freeze, partition; RATE_MBIT=N another speed of the link
# shellcheck disable=SC2119 # options are optional
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"
# shellcheck source=SCRIPTDIR/../support/far.sh
. "$SUPPORT/far.sh"
# shellcheck source=SCRIPTDIR/../support/x400.sh
. "$SUPPORT/x400.sh"

only_bridgehead

strike() { # FAULT OWNER
    case $1 in
    move) lab move ;;
    cut) lab kill "$2" ;;
    freeze) lab freeze "$2" ;;
    partition) lab partition "$2" all ;;
    esac >/dev/null
    [ "$1" = move ] || lab wait fenced "$2"
    [ "$1" != partition ] || lab heal "$2"
}

one_fault() { # FAULT
    local owner before=$given batch_ids began

    owner=$(lab owner --wait 60)
    began=$(stamp)
    # shellcheck disable=SC2086
    hand_in $LINKS
    batch_ids=${given#"$before"}
    wait_for 30 "transfers in both directions under way" under_way 1 1000000
    strike "$1" "$owner"
    handed_in
    # shellcheck disable=SC2086
    wait_for 120 "every message over every connector, in both directions" came $batch_ids
    contents_are_whole
    lab wait --timeout 120 idle
    assert "another node took over ($1)" [ "$(lab owner)" != "$owner" ]
    # shellcheck disable=SC2086
    tally --fault "$1 of $owner" --since "$began" --given $batch_ids || fail "a promise was broken"
}

# What the far one's log says of associations since line FROM: their addresses are those of their connectors.
addresses_are() { # one|own FROM
    local n seen want

    for n in $LINKS; do
        seen=$(tail -n +"$2" "$CASE_OUT/far/far.log" |
            sed -nE "s/.* x400\.association\.opened .*connector=\"?l$n\"? .*remote=\"?\\[?([0-9.]+)\\]?:[0-9]+\"? local=\"?([0-9.]+)\"? .*/\1 \2/p" | sort -u)
        want="$(vip_of "$1" "$n") $(far_of "$1" "$n")"
        assert "connector l$n: the peer is the VIP $want" [ "$seen" = "$want" ]
    done
    assert "no node's own address was seen" [ "$(tail -n +"$2" "$CASE_OUT/far/far.log" | grep -cE '\b10\.77\.0\.1[1-9]\b')" = 0 ]
}

case_start
cluster_config one
new_lab --config "$CASE_OUT/cluster.conf.in" --vips 4 --ipv4-only --size 2G
x400_start one
lab rate remote "${RATE_MBIT:-48}"
say "one VIP"
for fault in ${FAULTS_ONE-move cut freeze partition}; do one_fault "$fault"; done
wait_for 60 "empty queues" queues_are_empty
addresses_are one 1

say "each connector over its own VIP"
far stop
cluster_config own
far_config own
cluster_reload
from=$(($(wc -l <"$CASE_OUT/far/far.log") + 1))
far_start
for fault in ${FAULTS_OWN-cut move}; do one_fault "$fault"; done
wait_for 60 "empty queues" queues_are_empty
addresses_are own "$from"
# shellcheck disable=SC2086
tally --given $given || fail "a promise was broken"
far stop
x400_stop
