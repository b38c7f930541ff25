#!/usr/bin/env bash
# 81-x400-relay - daemons that speak P1 to one another: what comes is what was sent, in every mode; reports, probes, loops,
# connectors told apart by T-selectors alone, a server killed in the middle of a transfer, and what tshark reads of it.
#
#   alice -> london => paris -> bob       => four connectors between the same two addresses
#                    \  rome  /           a ring of one-way routes, for the loop
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
own_host "$@"
ip addr add 192.0.2.12/32 dev lo
declare -A at=([london]=192.0.2.10 [paris]=192.0.2.11 [rome]=192.0.2.12 [alice]=127.0.0.1 [bob]=127.0.0.1)
declare -A port=([london]=102 [paris]=102 [rome]=102 [alice]=2101 [bob]=2102)

# shellcheck source=tests/integration/x400.sh
. "$tests/integration/x400.sh"

mkdir alice bob
# an OCTET STRING: tshark takes the content for an IPM, and random octets may look like one that is cut short
{
    printf '\004\202\013\264'
    head -c 2996 /dev/urandom
} >small
head -c 10000000 /dev/urandom >large
"$driver" receive /mnt/alice "${at[alice]}" "${port[alice]}" "$(spec alice alice london in)" &
started $!
"$driver" receive /mnt/bob "${at[bob]}" "${port[bob]}" "$(spec bob bob paris out)" &
started $!

modes=(normal normal x410 1984)
limits=('' '' 'message_size = "1MiB";' '')
to_paris='' routes='' to_london=''
for i in 1 2 3 4; do
    to_paris+=$(connector "paris$i" london paris "l$i" "mode = \"${modes[i - 1]}\"; ${limits[i - 1]}")
    to_london+=$(connector "london$i" paris london "l$i" "mode = \"${modes[i - 1]}\";")
    routes+="{ to = \"/C=FR/A=BOB/P=L$i/\"; via = [\"paris$i\"]; }, "
done
relay paris "$to_london $(connector bob paris bob out)" \
    '{ to = "/C=FR/A=BOB/"; via = ["bob"]; }, { to = "/C=DE/"; via = ["london1"]; }'
relay london "$to_paris $(connector wrong london paris nolink)
    $(connector misnamed london paris l1 "mode = \"normal\";" | sed 's/"LONDON"/"OSLO"/; s/"london.l1"/"london.x"/')
    $(connector alice london alice in)" \
    "$routes { to = \"/C=FR/\"; via = [\"paris1\"]; }, { to = \"/C=DE/A=ALICE/\"; via = [\"alice\"]; }"

tracing=
if command -v tshark >/dev/null; then
    # shellcheck source=tests/integration/decode.sh
    . "$tests/integration/decode.sh"
    bh x400 trace --pcap london.pcap >trace.txt 2>trace.err &
    tracing=$!
    started $tracing
    wait_for 10 "the trace" grep -q "^tracing" trace.err
fi

# through NUMBER: a message over this connector
through() {
    ID=M$1 put message small 1 "/C=FR/A=BOB/P=L$1/S=b/"
    wait_for 20 "message M$1" came bob "id M$1-1 "
    same small "$(number bob "M$1-1")"
    wait_for 10 "word of M$1 over connector london$1" logged paris "x400.transfer.in .*connector=\"london$1\" .* M$1-1\""
}

echo "a message over each of four connectors, in every mode"
through 1
through 2
if [[ -n $tracing ]]; then # tshark loses its way in X.410 mode, then in all that follows: 76-stack-decoded has those modes
    traced() { grep -q " paris2 .*ACTIVITY END ACK" trace.txt; }
    wait_for 10 "the last message in the trace" traced
    kill "$tracing"
    wait "$tracing" || true
    ended "$tracing"
    [[ -z $(fields london.pcap '_ws.malformed || _ws.expert.severity >= 6291456' _ws.expert.message) ]] ||
        fail "tshark finds fault: $(fields london.pcap _ws.expert _ws.expert.message)"
    expect_fields $'M1-1\nM1-1\nM2-1\nM2-1' london.pcap p1.MTS_APDU p1.local_identifier
else
    echo "tshark is not installed"
fi
through 3
through 4

echo "ping, and what connector show says"
expect 0 "a ping" bh x400 ping paris1
says "bind         PARIS"
expect 1 "a ping with another T-selector" bh x400 ping wrong
says "refused by the peer's transport layer"
expect 1 "a ping of another name" bh x400 ping misnamed
says "refused by the peer's"
expect 13 "a ping of no connector" bh x400 ping nobody
expect 0 "why an O/R address" bh why /C=FR/A=BOB/P=L3/S=b/
says paris3
[[ $(bh status --json | field x400.messages_out) = 4 ]] || fail "status does not count what went out"
[[ $(bh connector show paris3 --json | field associations.0.mode) = x410 ]] || fail "no association is shown"
instance=paris
[[ $(bh connector show london1 --json | field last_refusal.text) = *"MTA name"* ]] ||
    fail "the refusal is not shown: $(bh connector show london1 --json)"
instance=london

echo "a large one, and many through one association"
ID=BIG put message large 1 /C=FR/A=BOB/P=L1/S=b/
wait_for 30 "the large message" came bob "id BIG-1 "
same large "$(number bob BIG-1)"
ID=MANY put message small 50 /C=FR/A=BOB/P=L2/S=b/
wait_for 30 "fifty messages" came bob "id MANY-50 "
[[ $(grep -c "id MANY-" bob/log) = 50 ]] || fail "not fifty came, once each"

echo "a probe goes through, and one to nobody comes back as a report"
ID=PROBE put probe small 1 /C=FR/A=BOB/P=L1/S=b/
wait_for 20 "the probe" came bob "probe .* id PROBE-1 "
ID=NOBODY put probe small 1 /C=FR/A=NOBODY/S=b/
wait_for 20 "the report on a probe" came alice "report .* subject NOBODY-1 failed reason 1 diagnostic 0"

echo "reports, by whom they are made: at once, later by the operator's word; and not on a report"
ID=NOWAY put message small 1 /C=IT/A=NOBODY/S=b/
wait_for 20 "a report of london's" came alice "report .* subject NOWAY-1 failed reason 1 diagnostic 0"
ID=FAR put message small 1 /C=FR/A=NOBODY/S=b/
wait_for 20 "a report of paris's" came alice "report .* subject FAR-1 failed reason 1 diagnostic 0"
instance=paris
bh connector suspend bob >/dev/null
ID=STUCK put message small 1 /C=FR/A=BOB/P=L3/S=b/
waits() { ! empty paris; }
wait_for 20 "a message that waits" waits
bh queue bounce --selector all --yes >/dev/null
wait_for 20 "the report on what was bounced" came alice "report .* subject STUCK-1 failed"

echo "what the next hop does not take is told when it comes, whether the next hop is there or not"
instance=london
bh connector suspend paris3 >/dev/null
ID=LONG put message large 1 /C=FR/A=BOB/P=L3/S=b/
wait_for 20 "the report" came alice "report .* subject LONG-1 failed reason 1 diagnostic 7"
wait_for 20 "an empty queue" empty london
bh connector resume paris3 >/dev/null
instance=paris

echo "a message out of the queue and back into it"
ID=AWAY put message small 1 /C=FR/A=BOB/P=L1/S=b/
wait_for 20 "a message that waits" waits
id=$(bh queue list --json | field id)
bh queue export "$id" --output away
[[ $(field body <away.json) = P1-MESSAGE && $(field p1.identifier <away.json) = AWAY-1 ]] || fail "the envelope: $(cat away.json)"
tail -c +$(($(field p1.content_at <away.json) + 1)) away | cmp - small || fail "the content is not where it says"
bh queue remove "$id" >/dev/null
wait_for 20 "an empty queue" empty paris
bh queue import away >/dev/null
bh connector resume bob >/dev/null
wait_for 20 "the message" came bob "id AWAY-1 "
same small "$(number bob AWAY-1)"
wait_for 20 "empty queues" empty paris
wait_for 20 "empty queues" empty london
! came bob "STUCK-1" || fail "what was bounced came"

# kill_server NAME: and the keeper starts another
kill_server() {
    local old

    instance=$1 # whose bh is
    old=$(server_pid)
    kill -KILL "$old"
    restarted() { [[ $(server_pid) != "$old" ]] && serving; }
    wait_for 20 "a new server of $1" restarted
}
half_sent() { [[ -n $(find bob -name 'new.*' -size +32k) ]]; }

echo "killed in the middle of a transfer out: it comes, and once"
touch bob/stall
ID=OUT put message large 1 /C=FR/A=BOB/P=L1/S=b/
wait_for 20 "half of the transfer" half_sent
kill_server paris
rm bob/stall
wait_for 40 "the message" came bob "id OUT-1 "
same large "$(number bob OUT-1)"
wait_for 20 "an empty queue" empty paris
[[ $(grep -c "id OUT-1 " bob/log) = 1 ]] || fail "it came twice"

echo "killed in the middle of a transfer in: the sender keeps it, sends it again, and it comes once"
touch stall
STALL=/mnt/stall ID=IN put message large 1 /C=FR/A=BOB/P=L1/S=b/ >in.log &
sender=$!
started $sender
wait_for 20 "half of it sent" grep -qs stalled in.log
kill_server london
rm stall
wait_for 40 "it is confirmed" grep -q delivered in.log
wait "$sender" || fail "the sender: $(cat in.log)"
ended "$sender"
wait_for 40 "the message" came bob "id IN-1 "
same large "$(number bob IN-1)"
wait_for 20 "an empty queue" empty london
[[ $(grep -c "id IN-1 " bob/log) = 1 ]] || fail "it came twice"

echo "a handoff in the middle of a transfer out: the next owner sends it, once"
touch bob/stall
ID=HAND put message large 1 /C=FR/A=BOB/P=L1/S=b/
wait_for 20 "half of the transfer" half_sent
instance=paris
server=$(server_pid)
keeper=$(keeper_pid)
bh handoff >/dev/null
wait_for 10 "the server's end" process_gone "$server"
wait_for 10 "the keeper's end" process_gone "$keeper"
start_daemon
wait_for 10 "paris serves again" serving
rm bob/stall
wait_for 40 "the message" came bob "id HAND-1 "
same large "$(number bob HAND-1)"
wait_for 20 "an empty queue" empty paris
[[ $(grep -c "id HAND-1 " bob/log) = 1 ]] || fail "it came twice"

echo "the address leaves with its associations, and comes back"
ip addr del "${at[paris]}/32" dev lo
wait_for 10 "its absence is noticed" degraded vip
cut() { [[ $(bh connector show london1 --json | field associations) = '[]' ]]; }
wait_for 10 "no association is left" cut
ID=VIP put message small 1 /C=FR/A=BOB/P=L1/S=b/
ip addr add "${at[paris]}/32" dev lo
wait_for 20 "the message" came bob "id VIP-1 "

echo "a connector that is gone takes no call"
cp paris.conf paris.all
sed -i 's/^connector = { london1 = /connector = { renamed = /; s/via = \["london1"\]/via = ["renamed"]/' paris.conf
bh reload >/dev/null
ID=NAME put message small 1 /C=FR/A=BOB/P=L1/S=b/
wait_for 20 "the message" came bob "id NAME-1 "
mv paris.all paris.conf
bh reload >/dev/null
ID=AGAIN put message small 1 /C=FR/A=BOB/P=L1/S=b/
wait_for 20 "the message" came bob "id AGAIN-1 "
wait_for 10 "the old name to be taken again" logged paris 'x400.transfer.in .*connector="london1" .* AGAIN-1"'

echo "killed at either end of a transfer between two of us: it goes on at its last point"
if tc qdisc add dev lo root tbf rate 16mbit burst 256kb latency 500ms 2>tc.err; then
    passed() { # BYTES: of the transfer from london to paris, as london sees it
        instance=london
        [[ $(bh connector show paris1 --json | field associations.0.done_bytes 2>/dev/null || echo 0) -gt $1 ]]
    }
    resumed() { # NAME DIRECTION COUNT KEPT: so many that had at least so much
        [[ $(sed -nE "s/.* x400.transfer.resumed .*direction=\"?$2\"? .*kept=([0-9]+).*/\\1/p" "$1.log" |
            awk -v kept="$4" '$1 >= kept' | wc -l) -ge $3 ]]
    }
    instance=london
    bh connector suspend paris1 >/dev/null
    tc qdisc del dev lo root
    ID=GOON put message large 1 /C=FR/A=BOB/P=L1/S=b/
    tc qdisc add dev lo root tbf rate 16mbit burst 256kb latency 500ms
    bh connector resume paris1 >/dev/null
    wait_for 20 "two megabytes of it" passed 2000000
    kill_server paris
    wait_for 20 "the transfer resumed at paris" resumed paris in 1 1500000
    wait_for 20 "five megabytes of it" passed 5000000
    kill_server london
    wait_for 20 "the transfer resumed by london" resumed london out 1 3000000
    wait_for 20 "the transfer resumed at paris again" resumed paris in 1 4000000
    tc qdisc del dev lo root
    wait_for 40 "the message" came bob "id GOON-1 "
    same large "$(number bob GOON-1)"
    wait_for 20 "empty queues" empty london
    wait_for 20 "empty queues" empty paris
    [[ $(grep -c "id GOON-1 " bob/log) = 1 ]] || fail "it came twice"
else
    echo "no slow link here: $(cat tc.err)"
fi

echo "a ring of three: the loop is found, and reported"
relay rome "$(connector london rome london lr) $(connector paris rome paris pr)" '{ to = "/C=US/"; via = ["london"]; }, { to = "/C=DE/"; via = ["london"]; }'
extend paris "$(connector rome paris rome pr)" '{ to = "/C=US/"; via = ["rome"]; }, { to = "/C=NL/"; via = ["london1", "rome"]; },'
extend london "$(connector rome london rome lr)" '{ to = "/C=US/"; via = ["paris1"]; }, { to = "/C=NL/"; via = ["paris1"]; },'
ID=RING put message small 1 /C=US/A=NOBODY/S=r/
wait_for 20 "the report on the loop" came alice "report .* subject RING-1 failed reason 1 diagnostic 3"

echo "never back over the connector it came by, though that is the cheapest: rome is asked, and knows nobody"
ID=BACK put message small 1 /C=NL/A=NOBODY/S=r/
wait_for 20 "rome's report" came alice "report .* subject BACK-1 failed reason 1 diagnostic 0"
wait_for 10 "word that rome was asked" logged rome "x400.transfer.in .* BACK-1"
