#!/usr/bin/env bash
# The session read by tshark: every SPDU that we write decodes without fault, to the fields that were meant.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/integration/decode.sh
. "$here/../decode.sh"
rm -rf "$scratch"
mkdir -p "$scratch"
driver=$BRIDGEHEAD_BUILD/tests/integration/72-session-decoded_driver
capture=$here/../../data/x400/p1-python.initiator

"$driver" "$capture" | pcap_of "$scratch/ordinary.pcap"
sound "$scratch/ordinary.pcap"
# SI 41 and 42 are ACTIVITY END and its acknowledgement; 1 and 2 are the prefixes
expect_fields '13|0x0249|4f555253|544845495253|04024142' "$scratch/ordinary.pcap" 'ses.type == 13' \
    ses.type ses.req.flags ses.calling_session_selector ses.called_session_selector ses.calling_ss_user_reference
expect_fields '1|1|0x00|0x00' "$scratch/ordinary.pcap" 'ses.type == 13' \
    ses.protocol_version1 ses.protocol_version2 ses.data_token_setting ses.major_activity_token_setting
[[ $(tshark -r "$scratch/ordinary.pcap" -T fields -e ses.type 2>/dev/null | tr ',\n' '  ' | xargs) = \
    '13 14 1 45 1 1 1 49 1 1 1 41 2 50 2 42 2 21 22 9 10' ]] || fail "the SPDUs are others: $(tshark -r "$scratch/ordinary.pcap" -T fields -e ses.type 2>/dev/null | xargs)"

"$driver" "$capture" refuse | pcap_of "$scratch/refuse.pcap"
sound "$scratch/refuse.pcap"
expect_fields '12|129' "$scratch/refuse.pcap" 'ses.type == 12' ses.type ses.reason_code

"$driver" "$capture" stop | pcap_of "$scratch/stop.pcap"
sound "$scratch/stop.pcap"
expect_fields '2|5' "$scratch/stop.pcap" 'ses.type == 48' ses.type ses.reason_code
[[ $(tshark -r "$scratch/stop.pcap" -T fields -e ses.type 2>/dev/null | tr ',\n' '  ' | xargs) = \
    '13 14 1 45 1 1 1 49 1 1 2 48 1 25 2 26 1 29 1 57 2 58' ]] || fail "the SPDUs are others: $(tshark -r "$scratch/stop.pcap" -T fields -e ses.type 2>/dev/null | xargs)"

"$driver" "$capture" abort | pcap_of "$scratch/abort.pcap"
sound "$scratch/abort.pcap"
expect_fields '25|0x03' "$scratch/abort.pcap" 'ses.type == 25' ses.type ses.transport_flags
