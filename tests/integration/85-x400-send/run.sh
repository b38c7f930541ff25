#!/usr/bin/env bash
# 85-x400-send - docs/guides/x400-two-hosts.md as a test: two relays with four connectors between them, told apart by T-selectors
# alone; messages of `x400 send` go over the one that their address space names, and what is wrong is said with its setting.
#
#   london => paris: c1 to c4; what is for paris' users waits at paris, in a connector that never calls
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
own_host "$@"
declare -A at=([london]=192.0.2.10 [paris]=192.0.2.11 [users]=192.0.2.11 [dover]=2001:db8::10 [calais]=2001:db8::11)
declare -A port=([london]=102 [paris]=102 [users]=2100 [dover]=102 [calais]=102)
# shellcheck source=tests/integration/x400.sh
. "$tests/integration/x400.sh"

at_host() { bridgehead --config "/mnt/$1.conf" "${@:2}"; } # WHO COMMAND...
send() { at_host london x400 send --from /C=GB/A=TEST/P=LONDON/S=Smith/ --to "$@"; }
refused() { # TEXT COMMAND...
    local text=$1

    shift
    ! "$@" >out 2>&1 || fail "taken: $*"
    grep -q -- "$text" out || fail "not '$text': $(cat out)"
}
no_association() { [[ $(at_host "$1" connector show "$2" --json | field associations) = '[]' ]]; } # WHO CONNECTOR
queued() { [[ $(at_host "$1" queue list --json | grep -c '"id"') = "$2" ]]; } # WHO COUNT

links() { for i in 1 2 3 4; do connector "c$i" "$1" "$2" "$i"; done; } # US PEER
relay paris "$(links paris london) $(connector users paris users x 'schedule = ["never"];')" \
    '{ to = "/C=FR/A=ATLAS/P=PARIS/"; via = ["users"]; }, { to = "/C=GB/"; via = ["c1", "c2"]; }'
relay london "$(links london paris)" \
    '{ to = "/C=FR/A=ATLAS/P=PARIS/O=ONE/"; via = ["c1"]; }, { to = "/C=FR/A=ATLAS/P=PARIS/O=TWO/"; via = ["c2"]; },
     { to = "/C=FR/A=ATLAS/P=PARIS/O=THREE/"; via = ["c3"]; }, { to = "/C=FR/A=ATLAS/P=PARIS/"; via = ["c4"]; }'

echo "four connectors between two hosts: each takes what its address space names"
count=0
for way in ONE:c1 TWO:c2 THREE:c3 FOUR:c4; do
    send "/C=FR/A=ATLAS/P=PARIS/O=${way%:*}/S=Dupont/" --subject "To ${way%:*}" --text "over ${way#*:}" --priority urgent >out
    grep -q '^queued as .*, message identifier BH-' out || fail "it said $(cat out)"
    wait_for 10 "a message at paris" queued paris $((++count))
    wait_for 5 "its record" logged paris "x400.transfer.in .*connector=\"${way#*:}\" .*priority=\"urgent\" .*O=${way%:*}/S=Dupont"
done
at_host paris queue export "$(at_host paris queue list --json | head -1 | field id)" --output /mnt/first
[[ $(field p1.kind </mnt/first.json) = message && $(field p1.content_type </mnt/first.json) = 2 ]] || fail "the envelope is another"
tail -c +"$(($(field p1.content_at </mnt/first.json) + 1))" /mnt/first >content
for part in 'To ONE' 'over c1'; do
    grep -qa "$part" content || fail "the content is another: $(xxd content)"
done

logged london 'ctl.command command="x400 send"' || fail "the command is not in the log"
! logged london 'over c1' || fail "a content is in the log"

echo "durable when it says so"
at_host london connector suspend c1 >/dev/null
send /C=FR/A=ATLAS/P=PARIS/O=ONE/S=Dupont/ >/dev/null
kill -9 "$(server_pid london)"
wait_for 20 "london serves again" at_host london probe
wait_for 10 "the message is there" queued london 1
at_host london connector resume c1 >/dev/null
wait_for 10 "the fifth message at paris" queued paris 5

echo "what cannot be sent is refused, with the reason"
refused 'No address space has this O/R address' send /C=DE/A=X/S=a/
refused 'P: 17 octets; the limit is 16' send /C=FR/A=ATLAS/P=12345678901234567/S=a/
refused 'IA5' send /C=FR/A=ATLAS/P=PARIS/S=a/ --text 'café'
refused 'no such priority' send /C=FR/A=ATLAS/P=PARIS/S=a/ --priority high
refused 'usage: ' at_host london x400 send --to /C=FR/A=ATLAS/P=PARIS/S=a/
refused 'x400 send makes' at_host london queue import /mnt/first --sender /C=GB/A=TEST/S=a/ --recipient /C=FR/A=ATLAS/S=b/

echo "a selector that the peer does not have: ping and the event name the setting, and who was called"
sed -i 's/tsel = "paris.2"/tsel = "elsewhere"/' london.conf
at_host london reload >/dev/null
refused 'no such TSAP.*remote.tsel' at_host london x400 ping c2
at_host london connector suspend c2 >/dev/null # and so its association ends
wait_for 10 "the end of the association" no_association london c2
at_host london connector resume c2 >/dev/null
send /C=FR/A=ATLAS/P=PARIS/O=TWO/S=Dupont/ >/dev/null
wait_for 10 "word of it" logged london 'x400.association.failed .*remote="\[192.0.2.11\]:102".*no such TSAP.*remote.tsel'

echo "the same over IPv6 (RFC 2126)"
ip addr add 2001:db8::10/128 dev lo nodad
ip addr add 2001:db8::11/128 dev lo nodad
relay calais "$(connector c1 calais dover 1) $(connector users calais users x 'schedule = ["never"];')" \
    '{ to = "/C=FR/"; via = ["users"]; }'
relay dover "$(connector c1 dover calais 1)" '{ to = "/C=FR/"; via = ["c1"]; }'
at_host dover x400 ping c1 >out || fail "the ping over IPv6: $(cat out)"
grep -qF '[2001:db8::11]:102' out || fail "another address: $(cat out)"
at_host dover x400 send --from /C=GB/A=TEST/S=Smith/ --to /C=FR/A=ATLAS/S=Dupont/ >/dev/null
wait_for 10 "the message at calais" queued calais 1
wait_for 5 "its source" logged calais 'x400.association.opened .*remote="\[2001:db8::10\]:'
