#!/usr/bin/env bash
# Messages, probes and reports of our own making, as they are sent to peers of 1988 and of 1984: read by tshark without fault
# and with the fields that were meant; and read by asn1c from definitions of its own (p1.asn1), for 1984 with room for
# nothing that 1988 added. The names of reason and diagnostic codes are tshark's.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/integration/decode.sh
. "$here/../decode.sh"
rm -rf "$scratch"
mkdir -p "$scratch"
driver=$BRIDGEHEAD_BUILD/tests/integration/75-p1-made_driver
capture=$here/../../data/x400/p1-python.initiator

# ---- tshark

for year in 1988 1984; do
    for kind in message probe report; do
        "$driver" $kind $year normal >"$scratch/$kind-$year.normal" || fail "no $kind of $year was made"
        "$driver" $kind $year bare >"$scratch/$kind-$year.apdu"
        "$BRIDGEHEAD_BUILD/tests/integration/73-rtse-decoded_driver" "$capture" apdu "$scratch/$kind-$year.normal" |
            pcap_of "$scratch/$kind-$year.pcap"
        sound "$scratch/$kind-$year.pcap"
    done
done

expect_apdu 'M-1|22|2|CID 1|node-1|1,2,3' "$scratch/message-1988.pcap" p1.local_identifier p1.built_in p1.priority p1.content_identifier p1.mta_name \
    p1.originally_specified_recipient_number
expect_apdu 'M-1|2|2|CID 1||1,2,3' "$scratch/message-1984.pcap" p1.local_identifier p1.built_in p1.priority p1.content_identifier p1.mta_name \
    p1.originally_specified_recipient_number
expect_apdu 'M-1|1000|node-1' "$scratch/probe-1988.pcap" p1.local_identifier p1.content_length p1.mta_name
expect_apdu 'R-1,M-1|node-1,node-1|1,5|3|2|the message goes round' "$scratch/report-1988.pcap" p1.local_identifier p1.mta_name \
    p1.non_delivery_reason_code p1.non_delivery_diagnostic_code p1.type_of_MTS_user p1.supplementary_information
expect_apdu 'R-1,M-1||1,1|3|1|the message goes round' "$scratch/report-1984.pcap" p1.local_identifier p1.mta_name \
    p1.non_delivery_reason_code p1.non_delivery_diagnostic_code p1.type_of_MTS_user p1.supplementary_information

tshark -G values 2>/dev/null | awk -F '\t' '
    $2 == "p1.non_delivery_reason_code" { print "reason", $3, $4 }
    $2 == "p1.non_delivery_diagnostic_code" { print "diagnostic", $3, $4 }' | sort >"$scratch/codes.tshark"
"$driver" codes | sort >"$scratch/codes.ours"
diff "$scratch/codes.tshark" "$scratch/codes.ours" || fail "codes have other names than tshark's"

# ---- asn1c

command -v asn1c >/dev/null || skip "asn1c is not installed (tshark found no fault)"
(
    cd "$scratch" && mkdir asn1 && cd asn1
    asn1c -fcompound-names "$here/p1.asn1" >asn1c.log 2>&1 || { cat asn1c.log; exit 1; }
    mv converter-sample.c ../
    gcc -O0 -w -I. -c ./*.c
    ar rc libp1.a ./*.o
    gcc -O0 -w -I. -DPDU=MTS_APDU ../converter-sample.c -L. -lp1 -o ../read-1988
    gcc -O0 -w -I. -DPDU=MPDU_84 ../converter-sample.c -L. -lp1 -o ../read-1984
) || fail "asn1c's reader was not built"

# reads YEAR KIND-YEAR: asn1c's reader of that year takes it, its bounds included
reads() {
    "$scratch/read-$1" -c -oxer "$scratch/$2.apdu" >"$scratch/$2.read-$1.xml" 2>"$scratch/$2.read-$1.err"
}
says() { # KIND-YEAR YEAR TEXT
    tr -d '\n ' <"$scratch/$1.read-$2.xml" | grep -qF "$(tr -d ' ' <<<"$3")" || fail "asn1c does not find '$3' in the $1"
}
for kind in message probe report; do
    reads 1988 $kind-1988 || fail "asn1c does not read the $kind: $(cat "$scratch/$kind-1988.read-1988.err")"
    reads 1988 $kind-1984 || fail "a reader of 1988 does not read the $kind of 1984: $(cat "$scratch/$kind-1984.read-1988.err")"
    reads 1984 $kind-1984 || fail "a reader of 1984 does not read the $kind of 1984: $(cat "$scratch/$kind-1984.read-1984.err")"
    ! reads 1984 $kind-1988 || fail "a reader of 1984 reads the $kind of 1988: it does not tell them apart"
done
says message-1988 1988 '<local-identifier>M-1</local-identifier>'
says message-1988 1988 '<surname>Name</surname><given-name>Given</given-name>'
says message-1988 1988 '<deferred-time>261120231944Z</deferred-time>'
says message-1984 1984 '<type>common</type><value>LSZHZTZX</value>'
says probe-1984 1984 '<content-length>1000</content-length>'
says report-1988 1988 '<reason-code>1</reason-code><diagnostic-code>3</diagnostic-code>'
says report-1988 1988 '<reason-code>5</reason-code></non-delivery>'
says report-1984 1984 '<reason>1</reason></non-delivered>'
says report-1984 1984 '<type-of-ua>1</type-of-ua>'
