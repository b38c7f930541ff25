#!/usr/bin/env bash
# Two shells of the stack over TCP, traced: tshark reads the trace's pcap file without fault and with the fields that were
# meant, and the trace's own lines say the same.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/integration/decode.sh
. "$here/../decode.sh"
rm -rf "$scratch"
mkdir -p "$scratch"
port=0
tshark() { command tshark -d "tcp.port==$port,tpkt" "$@"; }

# speak SCENARIO: $pcap, $lines and $port are of it
speak() {
    pcap=$scratch/$1.pcap lines=$scratch/$1.lines
    "$BRIDGEHEAD_BUILD/tests/integration/76-stack-decoded_driver" "$1" "$pcap" >"$lines" 2>"$scratch/$1.ends" ||
        fail "$1: $(cat "$scratch/$1.ends")"
    port=$(awk '$1 == "port" { print $2 }' "$lines")
}

# says DIRECTION TEXT: a line of the trace
says() {
    grep -qxE "paris \[127\.0\.0\.1\]:[0-9]+ $1 \[127\.0\.0\.1\]:$port $2" "$lines" ||
        fail "the trace does not say '$1 $2': $(cat "$lines")"
}

# spdus: the types that tshark sees, in order, without prefixes
spdus() { tshark -r "$pcap" -T fields -e ses.type 2>/dev/null | tr ',\n' '  ' | xargs; }

speak normal
sound "$pcap"
[[ $(tshark -r "$pcap" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields -e ip.checksum.status \
    -e tcp.checksum.status 2>/dev/null | sort -u) = $'1\t1' ]] || fail "a checksum of the pcap file is wrong"
expect_fields '4c444e|0102504152|2048|127.0.0.1' "$pcap" 'cotp.type == 0x0e' cotp.src-tsap-bytes cotp.dst-tsap-bytes \
    cotp.tpdu_size ip.src
expect_fields '1024' "$pcap" 'cotp.type == 0x0d' cotp.tpdu_size
expect_fields '1|2|1|LONDON|2.6.0.1.6|5332|5032|1|1' "$pcap" 'ses.type == 13' rtse.checkpointSize rtse.windowSize \
    rtse.dialogueMode p1.authenticated.initiator-name acse.aSO_context_name ses.called_session_selector \
    pres.called_presentation_selector ses.protocol_version1 ses.protocol_version2
expect_fields '1|2|PARIS|0' "$pcap" 'ses.type == 14' rtse.checkpointSize rtse.windowSize \
    p1.authenticated.responder-name acse.result
expect_fields $'LONDON|22\nPARIS|22' "$pcap" p1.MTS_APDU p1.local_identifier p1.built_in
expect_fields '2' "$pcap" rtse.rttp_apdu rtse.rttp_apdu
says '>' 'CR class 0 calling "LDN" called 0102504152 size 2048'
says '<' 'ACCEPT version 2; CPA normal results yes yes yes; AARE accepted; RTOAC checkpoint 1 window 2; bind result PARIS'
says '>' 'DATA 1043 octets; RTTR; message LONDON'
says '<' 'PLEASE TOKENS priority 2'
says '<' 'DISCONNECT; RLRE'
grep -q 'open sesame' "$lines" && fail "the trace's lines have a password"

# In X.410 mode tshark reads the bind, and gives up at data with a note of its own.
for mode in x410 p1984; do
    speak $mode
    bad=$(tshark -r "$pcap" -Y '_ws.malformed || _ws.expert.severity >= 6291456' -T fields -e _ws.expert.message 2>/dev/null |
        sed "s/Internal error:can't get spdu type from session dissector,*//g" | tr -d '\n')
    [[ -z $bad ]] || fail "tshark finds fault with $mode: $bad"
    protocol=12
    [[ $mode = x410 ]] || protocol=1
    expect_fields "0|1|2|$protocol|LONDON||" "$pcap" 'ses.type == 13' pres.mode_value rtse.checkpointSize rtse.windowSize \
        rtse.applicationProtocol p1.authenticated.initiator-name ses.called_session_selector ses.calling_session_selector
    expect_fields '0|PARIS' "$pcap" 'ses.type == 14' pres.mode_value p1.authenticated.responder-name
    says '>' 'DATA 1024 octets; message LONDON'
    says '<' 'ACTIVITY END ACK 6'
done

# The resumed half of an APDU is no APDU to tshark: so its SPDUs only.
speak recover
[[ $(grep -c ' closed$' "$lines") = 2 ]] || fail "there were not two connections"
expect_fields $'LONDON|0\n|1' "$pcap" 'ses.type == 13' p1.authenticated.initiator-name rtse.connectionDataRQ
[[ $(spdus) = *' 1 29 '* ]] || fail "no ACTIVITY RESUME: $(spdus)"
says '>' 'ACTIVITY RESUME 1 of 1 at point 2 begun in "ldn.example.org-[0-9a-f]+"'
says '>' 'CONNECT .* RTORQ checkpoint 1 window 2 monologue recover "ldn.example.org-[0-9a-f]+"'

speak report
sound "$pcap"
[[ $(spdus) = *' 2 48 1 25 2 26 9 10' ]] || fail "the SPDUs are others: $(spdus)"
says '<' 'EXCEPTION DATA reason 5 .*'

speak refused
sound "$pcap"
expect_fields '1|2' "$pcap" 'ses.type == 12' acse.result p1.MTABindError
says '<' 'REFUSE reason 2 .*; CPR; AARE rejected; RTORJ; bind error: authentication error'

speak abort
sound "$pcap"
expect_fields '3' "$pcap" rtse.rtab_apdu_element rtse.abortReason
says '<' 'ABORT by the user; ABRT; RTAB reason 3 .*'
