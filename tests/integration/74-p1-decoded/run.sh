#!/usr/bin/env bash
# What a relay writes, read by tshark: a message, a probe and a report with a hop appended, without fault and with the
# fields that were meant.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/integration/decode.sh
. "$here/../decode.sh"
rm -rf "$scratch"
mkdir -p "$scratch"
capture=$here/../../data/x400/p1-python.initiator

for kind in message probe report; do
    "$BRIDGEHEAD_BUILD/tests/integration/74-p1-decoded_driver" "$capture" $kind >"$scratch/$kind.apdu" ||
        fail "the $kind was not relayed"
    "$BRIDGEHEAD_BUILD/tests/integration/73-rtse-decoded_driver" "$capture" apdu "$scratch/$kind.apdu" |
        pcap_of "$scratch/$kind.pcap"
    sound "$scratch/$kind.pcap"
done

arrivals='26-11-20 23:18:44 (UTC),26-11-20 23:20:00 (UTC)'
expect_apdu "MSG-1795216724-0|2|$arrivals,$arrivals|MTA1,node-1|0|22" "$scratch/message.pcap" p1.local_identifier p1.trace_information \
    p1.arrival_time p1.mta_name p1.PerRecipientIndicators.responsibility p1.built_in
expect_apdu "P1|2|$arrivals,26-11-20 23:20:00 (UTC)|node-1|0|1000" "$scratch/probe.pcap" p1.local_identifier p1.trace_information \
    p1.arrival_time p1.mta_name p1.PerRecipientIndicators.responsibility p1.content_length
expect_apdu "P1,M1|2|node-1|1|3|1" "$scratch/report.pcap" p1.local_identifier p1.trace_information p1.mta_name \
    p1.non_delivery_reason_code p1.non_delivery_diagnostic_code p1.originally_specified_recipient_number
