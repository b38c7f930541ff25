#!/usr/bin/env bash
# Transport class 0 read by tshark: every octet that we write decodes without fault, to the fields that were meant.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/integration/decode.sh
. "$here/../decode.sh"
rm -rf "$scratch"
mkdir -p "$scratch"
driver=$BRIDGEHEAD_BUILD/tests/integration/71-tp0-decoded_driver

"$driver" | pcap_of "$scratch/open.pcap"
sound "$scratch/open.pcap"
expect_fields '0x0e|0x0000|0x002a|LOCAL1|504545522d3100ff|1024|27|3|32|0' "$scratch/open.pcap" 'cotp.type == 0x0e' \
    cotp.type cotp.destref cotp.srcref cotp.src-tsap cotp.dst-tsap-bytes cotp.tpdu_size cotp.li tpkt.version tpkt.length tpkt.reserved
expect_fields '0x0d|0x002a|0x0b0b|512|0' "$scratch/open.pcap" 'cotp.type == 0x0d' \
    cotp.type cotp.destref cotp.srcref cotp.tpdu_size cotp.class
expect_fields '0x0f|1|16' "$scratch/open.pcap" 'cotp.type == 0x0f' cotp.type cotp.eot tpkt.length

"$driver" refuse | pcap_of "$scratch/refuse.pcap"
sound "$scratch/refuse.pcap"
expect_fields '0x08|0x002a|3' "$scratch/refuse.pcap" 'cotp.type == 0x08' cotp.type cotp.destref cotp.cause

"$driver" nonsense | pcap_of "$scratch/nonsense.pcap"
expect_fields '0x07|0x002a|2' "$scratch/nonsense.pcap" 'cotp.type == 0x07' cotp.type cotp.destref cotp.reject_cause
