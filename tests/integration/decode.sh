# decode.sh - octets that a driver of the OSI layers writes, read by tshark. Source it behind lib.sh.
#
# The driver prints a line for each write: "I" (initiator to responder) or "O", and hex; other lines are for the test.
# shellcheck shell=bash

command -v tshark >/dev/null || skip "tshark is not installed"
command -v text2pcap >/dev/null || skip "text2pcap is not installed"

# pcap_of FILE < lines: one TCP connection to port 102 with these segments.
pcap_of() {
    awk '$1 == "I" || $1 == "O" {
        print $1
        line = "000000"
        for (i = 1; i < length($2); i += 2) line = line " " substr($2, i, 2)
        print line
    }' | text2pcap -q -D -T 40000,102 - "$1" 2>"$1.log" || fail "text2pcap: $(cat "$1.log")"
}

# sound FILE: tshark sees nothing malformed in it, and no packet that it cannot place.
sound() {
    local bad
    bad=$(tshark -r "$1" -Y '_ws.malformed || _ws.expert.severity >= 6291456' -V 2>/dev/null)
    [[ -z $bad ]] || fail "tshark finds fault with $1: $bad"
}

# fields FILE FILTER FIELD...: one line for each frame that matches, the fields parted by "|".
fields() {
    local file=$1 filter=$2 field args=()
    shift 2
    for field in "$@"; do args+=(-e "$field"); done
    tshark -r "$file" -Y "$filter" -T fields -E 'separator=|' -E occurrence=f "${args[@]}" 2>/dev/null
}

# expect_fields EXPECTED FILE FILTER FIELD...
expect_fields() {
    local expected=$1 got
    shift
    got=$(fields "$@")
    [[ $got = "$expected" ]] || fail "tshark says of $*: '$got', expected '$expected'"
}

# expect_apdu EXPECTED FILE FIELD...: fields of P1, every occurrence, in the first APDU
expect_apdu() {
    local expected=$1 file=$2 field got args=()
    shift 2
    for field in "$@"; do args+=(-e "$field"); done
    got=$(tshark -r "$file" -Y p1.MTS_APDU -T fields -E 'separator=|' "${args[@]}" 2>/dev/null | head -1)
    [[ $got = "$expected" ]] || fail "tshark says of $file's $*: '$got', expected '$expected'"
}
