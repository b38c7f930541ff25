#!/usr/bin/env bash
# The whole stack read by tshark: association, bind, messages both ways, turn, release, and a transfer interrupted and
# resumed, without fault and with the fields that were meant.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/integration/decode.sh
. "$here/../decode.sh"
rm -rf "$scratch"
mkdir -p "$scratch"
driver=$BRIDGEHEAD_BUILD/tests/integration/73-rtse-decoded_driver
capture=$here/../../data/x400/p1-python.initiator

"$driver" "$capture" | pcap_of "$scratch/ordinary.pcap"
sound "$scratch/ordinary.pcap"
expect_fields '1|5|1|MTA1|2.6.0.1.6|5053454c|5353454c' "$scratch/ordinary.pcap" 'ses.type == 13' \
    rtse.checkpointSize rtse.windowSize rtse.dialogueMode p1.authenticated.initiator-name acse.aSO_context_name \
    pres.called_presentation_selector ses.called_session_selector
expect_fields '1|5|0' "$scratch/ordinary.pcap" 'ses.type == 14' rtse.checkpointSize rtse.windowSize acse.result
expect_fields $'MSG-1795216724-0|22\nMSG-1795216724-0|22' "$scratch/ordinary.pcap" p1.local_identifier \
    p1.local_identifier p1.built_in
expect_fields '3' "$scratch/ordinary.pcap" rtse.rttp_apdu rtse.rttp_apdu

"$driver" "$capture" stop | pcap_of "$scratch/stop.pcap"
[[ $(tshark -r "$scratch/stop.pcap" -T fields -e ses.type 2>/dev/null | tr ',\n' '  ' | xargs) = \
    '13 14 1 45 1 1 1 49 2 50 1 25 2 26 1 29 25' ]] || fail "the SPDUs are others: $(tshark -r "$scratch/stop.pcap" -T fields -e ses.type 2>/dev/null | xargs)"
