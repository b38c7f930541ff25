#!/usr/bin/env bash
# Two X.400 MTAs (tests/unit/test_x400.c) exchange a message, a probe and a report, and mail both ways over one
# association: tshark reads what they said, in normal mode, without fault and with the fields that were meant.
# (X.410 mode has no presentation contexts, without which tshark does not find P1: 74-p1-decoded reads its APDUs.)
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/integration/decode.sh
. "$here/../decode.sh"
rm -rf "$scratch"
mkdir -p "$scratch"
port=0
tshark() { command tshark -d "tcp.port==$port,tpkt" "$@"; }

X400_PAIR_PCAP=$scratch/pair "$BRIDGEHEAD_BUILD/tests/unit/unit_test_x400" >"$scratch/test.log" 2>&1 ||
    fail "the pair's own test fails: $(grep -A3 FAILED "$scratch/test.log")"

# One way, by monologue: bound by name, three transfers, each confirmed behind its end.
pcap=$scratch/pair.1.pcap port=$(cat "$scratch/pair.1.port")
sound "$pcap"
expect_fields 'london|0|30' "$pcap" 'ses.type == 13' p1.authenticated.initiator-name rtse.dialogueMode rtse.checkpointSize
expect_fields 'paris' "$pcap" 'ses.type == 14' p1.authenticated.responder-name
expect_fields $'0\n2\n1' "$pcap" p1.MTS_APDU p1.MTS_APDU
expect_fields $'M-1|london\nM-2|london' "$pcap" 'p1.MTS_APDU == 0 || p1.MTS_APDU == 2' p1.local_identifier p1.mta_name
[[ $(tshark -r "$pcap" -T fields -e ses.type 2>/dev/null | tr ',\n' '  ' | xargs) = \
    '13 14 1 45 1 1 1 41 2 42 1 45 1 1 1 41 2 42 1 45 1 1 1 41 2 42' ]] || fail "the SPDUs are others"

# Both ways: the turn is asked for and given, in both directions.
pcap=$scratch/pair.5.pcap port=$(cat "$scratch/pair.5.port")
for from in 127.0.0.1 127.0.0.2; do
    for what in 'rtse.rttp_apdu' 'ses.type == 21' 'p1.MTS_APDU'; do
        (($(tshark -r "$pcap" -Y "$what && ip.src == $from" 2>/dev/null | wc -l) > 0)) ||
            fail "$from never said '$what'"
    done
done
