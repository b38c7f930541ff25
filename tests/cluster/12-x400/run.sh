#!/bin/bash
# The cluster and a Bridgehead beside it exchange messages of 10 MB over four P1 connectors, in all three modes, told apart
# by T-selectors alone: over one VIP, then each connector over its own. A planned move, a power cut, a freeze, and quorum
# lost (cut off from the other nodes only, and from everything) in the middle of transfers in both directions: nothing is
# lost, nothing comes twice, every association comes back by itself, the peer sees the VIPs only, and who has lost quorum
# says nothing more. (Loops: tests/integration/81-x400-relay, with three in a ring.)
#
#   FAULTS_ONE='...' FAULTS_OWN='...'   other faults, of those that strike (support/x400.sh) knows
#   RATE_MBIT=N                         another speed of the link
# shellcheck disable=SC2016,SC2119 # programs for another shell; options are optional
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"
# shellcheck source=SCRIPTDIR/../support/far.sh
. "$SUPPORT/far.sh"
# shellcheck source=SCRIPTDIR/../support/x400.sh
. "$SUPPORT/x400.sh"

only_bridgehead

# ---- quorum

# What the owner says and hears from now on. (Not on its own port, which goes with its power.)
capture() { # OWNER
    owner_mac=$(lab exec "$1" cat /sys/class/net/eth0/address)
    lab exec switch sh -c 'echo $$ >"$1/tcpdump.pid" && exec tcpdump -i br0 -n -s 96 -B 16384 -Z root -w "$1/said.pcap" \
        "tcp and ether host $2"' sh "$CASE_OUT" "$owner_mac" 2>"$CASE_OUT/tcpdump" &
    capturing=$!
    wait_for_file_line "$CASE_OUT/tcpdump" "listening on" 10
}

capture_end() {
    lab exec switch kill -INT "$(cat "$CASE_OUT/tcpdump.pid")"
    wait "$capturing"
    grep -q "^0 packets dropped by kernel" "$CASE_OUT/tcpdump" || fail "the capture is not whole: $(tail -n 1 "$CASE_OUT/tcpdump")"
}

said() { # FROM_TIME FILTER
    tcpdump -n -tt -r "$CASE_OUT/said.pcap" "$2" 2>/dev/null | awk -v t="$1" '$1 > t'
}

# It lost quorum in the middle of transfers in both directions; from then on it says nothing (but that its kernel resets
# connections of its own that are gone), and counts nothing that it still hears.
fell_silent() { # OWNER
    local at direction ours="ether src $owner_mac"

    lab log "$1" mta | awk '/ egress\.cut .*reason="quorum lost"/ { lost = 1; text = "" } / app\.started / { lost = 0 }
        lost { text = text $0 "\n" } END { printf "%s", text }' >"$CASE_OUT/silent"
    at=$(sed -n 's/^\([^ ]*\) .* app\.degraded .*no-quorum.*/\1/p' "$CASE_OUT/silent")
    assert "$1 noticed that it had no quorum" [ -n "$at" ]
    for direction in out in; do
        assert "in the middle of a transfer ($direction)" \
            grep -q " x400\.transfer\.broken .*connector=\"l.\" direction=\"$direction\" .*kept=[1-9]" "$CASE_OUT/silent"
    done
    at=$(date -d "$at" +%s.%N)
    at=$(awk -v t="$at" 'BEGIN { printf "%.6f", t + 0.001 }') # the log has milliseconds
    assert "it had spoken until then" [ -n "$(said 0 "$ours and greater 500")" ]
    assert "and said nothing since" [ -z "$(said "$at" "$ours and not tcp[tcpflags] & tcp-rst != 0")" ]
    assert "nor counted anything" \
        [ "$(grep -cE ' (x400\.(association\.opened|transfer\.(in|out|resumed|repeated))|delivery\.[a-z]+) ' "$CASE_OUT/silent")" = 0 ]
    say "it still heard $(said "$at" "ether dst $owner_mac and greater 67" | wc -l) segments with octets"
}

# What it heard too late did not count: its successor goes on where it was when it fell silent, or before.
went_on() { # SUCCESSOR
    lab log "$1" mta | awk '
        function field(name) { match($0, " " name "=[^ ]*"); return substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 2) }
        !/direction="out"/ { next }
        FILENAME != "-" && / x400\.transfer\.broken / { point[field("id")] = field("point") }
        FILENAME == "-" && / x400\.transfer\.resumed / && field("id") in point { on++; late += field("point") > point[field("id")] }
        END { exit !(on > 0 && late == 0) }' "$CASE_OUT/silent" -
}

one_fault() { # FAULT
    local owner before=$given batch_ids began past=1000000

    case $1 in partition | peers) past=200000 ;; esac # it takes some two seconds to notice
    owner=$(lab owner --wait 60)
    began=$(stamp)
    # shellcheck disable=SC2086
    hand_in $LINKS
    batch_ids=${given#"$before"}
    case $1 in partition | peers) capture "$owner" ;; esac
    wait_for 30 "transfers in both directions under way" under_way 1 "$past"
    strike "$1" "$owner"
    handed_in
    # shellcheck disable=SC2086
    wait_for 120 "every message over every connector, in both directions" came $batch_ids
    contents_are_whole
    lab wait --timeout 120 idle
    assert "another node took over ($1)" [ "$(lab owner)" != "$owner" ]
    case $1 in partition | peers)
        capture_end
        fell_silent "$owner"
        assert "it went on where the old one was" went_on "$(lab owner)"
        ;;
    esac
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
for fault in ${FAULTS_ONE-cut freeze peers}; do one_fault "$fault"; done
wait_for 60 "empty queues" queues_are_empty
addresses_are one 1

say "each connector over its own VIP"
far stop
cluster_config own
far_config own
cluster_reload
from=$(($(wc -l <"$CASE_OUT/far/far.log") + 1))
far_start
for fault in ${FAULTS_OWN-move partition}; do one_fault "$fault"; done
wait_for 60 "empty queues" queues_are_empty
addresses_are own "$from"
# shellcheck disable=SC2086
tally --given $given || fail "a promise was broken"
far stop
x400_stop
