#!/usr/bin/env bash
# 82-x400-operation - what an operator does to X.400 connectors that are at work, and what becomes of their mail: passwords and
# modes changed on one side and then on the other, connectors added and removed, schedules, the turn, an alternate that takes
# over; and what ping says of peers of all kinds.
#
#   alice -> london => paris -> bob       => a connector for each case
#                 \  rome  -> bob
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
own_host "$@"
ip addr add 192.0.2.12/32 dev lo
declare -A at=([london]=192.0.2.10 [paris]=192.0.2.11 [rome]=192.0.2.12 [alice]=127.0.0.1 [bob]=127.0.0.1 [hole]=198.51.100.9)
declare -A port=([london]=102 [paris]=102 [rome]=102 [alice]=2101 [bob]=2102 [hole]=102)
# shellcheck source=tests/integration/x400.sh
. "$tests/integration/x400.sh"

show() { bridgehead --config "/mnt/$1.conf" connector show "$2" --json | field "$3"; } # WHO CONNECTOR FIELD
shows() { [[ $(show "$1" "$2" "$3" 2>/dev/null) = "$4" ]]; }
at_host() { # WHO COMMAND...: bh of that one
    local instance=$1

    shift
    bh "$@"
}
secret() { # FILE PASSWORD
    echo "$2" >"/mnt/$1"
    chown root:bridgehead "/mnt/$1"
    chmod 640 "/mnt/$1"
}
change() { # WHO SED-SCRIPT: its configuration, and a reload
    sed -i "$2" "/mnt/$1.conf"
    at_host "$1" reload >/dev/null || fail "the reload of $1"
}
to_bob() { # ID SPACE
    ID=$1 put message small 1 "/C=FR/A=BOB/P=$2/S=b/"
}
arrives() { wait_for 20 "message $1" came bob "id $1-1 "; } # ID
queued() { [[ $(at_host "$1" queue list --json | grep -c '"id"') = "$2" ]]; } # WHO COUNT
since() { tail -n +"$((${mark[$1]} + 1))" "/mnt/$1.log"; }                   # WHO: of its log, since the mark
said() { since "$1" | grep -q -- "$2"; }
declare -A mark
mark_logs() {
    local who

    for who in london paris; do mark[$who]=$(wc -l <"/mnt/$who.log"); done
}
# The association ends, and the next message opens another.
ends() { # CONNECTOR
    at_host paris connector suspend "$1" >/dev/null
    wait_for 10 "the end of the association" shows london "$1" associations '[]'
    wait_for 10 "the end of the association" shows paris "$1" associations '[]'
    at_host paris connector resume "$1" >/dev/null
}

mkdir alice bob
head -c 3000 /dev/urandom >small
"$driver" receive /mnt/alice "${at[alice]}" "${port[alice]}" "$(spec alice alice london in)" &
started $!
"$driver" receive /mnt/bob "${at[bob]}" "${port[bob]}" "$(spec bob bob paris out)" "$(spec rbob bob rome out)" &
started $!

secret l.ours swordfish-1
secret p.theirs swordfish-1
secret p.ours herring-1
secret l.theirs herring-1
passwords() { echo "password_file = \"/mnt/$1.$2\";"; }

relay paris "$(connector sec paris london sec 'mode = "normal";' "$(passwords p ours)" "$(passwords p theirs)")
    $(connector bob paris bob out)" '{ to = "/C=FR/A=BOB/"; via = ["bob"]; }, { to = "/C=DE/"; via = ["sec"]; }'
relay london "$(connector sec london paris sec 'mode = "normal";' "$(passwords l ours)" "$(passwords l theirs)")
    $(connector alice london alice in)" \
    '{ to = "/C=FR/A=BOB/"; via = ["sec"]; }, { to = "/C=DE/"; via = ["alice"]; }'

echo "our password is changed while an association is open and mail waits: the association goes on, the next one is refused"
to_bob S1 X
arrives S1
id=$(show london sec associations.0.id)
at_host paris connector suspend bob >/dev/null
to_bob S2 X
wait_for 10 "mail that waits at paris" queued paris 1
secret l.ours swordfish-2
change london 's/^hostname = .*/hostname = "changed.example.org";/'
to_bob S3 X
wait_for 10 "mail over the open association" queued paris 2
[[ $(show london sec associations.0.id) = "$id" ]] || fail "another association"
ends sec
mark_logs
to_bob S4 X
wait_for 10 "word at paris" said paris 'x400.bind.refused .*connector="sec" .*the password is not'
wait_for 10 "word at london" said london 'x400.association.failed .*connector="sec" .*local.password_file'
[[ $(show paris sec last_refusal.text) = *"the password is not"* ]] || fail "paris shows another refusal"
[[ $(show london sec last_refusal.text) = *"local.password_file"* ]] || fail "london shows another refusal"
instance=london
expect 1 "a ping with a wrong password" bh x400 ping sec
says "authentication error"
secret p.theirs swordfish-2
change paris ''
wait_for 20 "the mail that waited" queued paris 3
at_host paris connector resume bob >/dev/null
arrives S2
arrives S3
arrives S4

echo "the peer's password is changed at its side: the caller notices, and says nothing to who is not the peer"
secret p.ours herring-2
change paris ''
ends sec
mark_logs
to_bob S5 X
wait_for 10 "word at london" said london 'x400.peer.wrong .*connector="sec" .*the password in the peer'
wait_for 10 "word at paris" said paris 'x400.association.failed .*connector="sec" '
expect 1 "a ping of a peer with a wrong password" bh x400 ping sec
says "the password in the peer's answer"
expect 1 "the same in JSON" bh x400 ping sec --json
[[ $(field ok </mnt/out) = false && $(field layer </mnt/out) = bind && $(field opened </mnt/out) = true ]] || fail "$out"
secret l.theirs herring-2
change london ''
arrives S5

echo "another mode on one side, then on the other"
change london 's/mode = "normal"/mode = "x410"/'
ends sec
mark_logs
to_bob S6 X
wait_for 10 "word at paris" said paris 'x400.bind.refused .*connector="sec" .*mode="x410" reason="the mode is not'
wait_for 10 "word at london" said london 'x400.association.failed .*connector="sec" .*mode'
change paris 's/mode = "normal"/mode = "x410"/'
arrives S6
[[ $(show london sec associations.0.mode) = x410 ]] || fail "not the new mode"

echo "no password is in a log, a status or a ping"
! grep -rqsE 'swordfish|herring' london.log paris.log out || fail "a password was told"

echo "a connector is added, and removed while its association is open and mail waits for it: that goes another way"
extend paris "$(connector more paris london more)"
cp london.conf london.without
extend london "$(connector more london paris more)" '{ to = "/C=FR/A=BOB/P=MORE/"; via = ["more"]; }, '
to_bob A1 MORE
arrives A1
shows london more out 1 || fail "it went over another connector"
at_host paris connector suspend bob >/dev/null
to_bob A2 MORE
wait_for 10 "mail over the new connector" queued paris 1
extend london "$(connector third london paris nolink)" '{ to = "/C=FR/A=BOB/P=THIRD/"; via = ["third"]; }, '
to_bob A3 THIRD # nobody listens to what third calls
wait_for 10 "mail that waits for a connector" queued london 1
cp london.without london.conf
change london ''
at_host paris connector resume bob >/dev/null
arrives A2
arrives A3
wait_for 10 "the end of its association" shows paris more associations '[]'
expect 13 "the connector is gone" at_host london connector show more

echo "the turn: mail in both directions over one association that the other side opens, urgent mail first"
extend paris "$(connector two paris london two 'rtse = { dialogue = "twa"; }; schedule = ["remote-initiated"];')" \
    '{ to = "/C=DE/A=ALICE/P=TWO/"; via = ["two"]; }, '
extend london "$(connector two london paris two 'rtse = { dialogue = "twa"; };')" '{ to = "/C=FR/A=BOB/P=TWO/"; via = ["two"]; }, '
at_host london connector suspend two >/dev/null
for p in non-urgent normal urgent; do
    ID=L-$p PRIORITY=${p#normal} put message small 1 /C=FR/A=BOB/P=TWO/S=b/
    ID=P-$p PRIORITY=${p#normal} FROM=/C=FR/A=BOB/S=b/ hand bob paris out message small 1 /C=DE/A=ALICE/P=TWO/S=a/
done
wait_for 10 "three that wait at london" queued london 3
wait_for 10 "three that wait at paris" queued paris 3
expect 0 "what they wait for" at_host paris why "$(at_host paris queue list --json | head -1 | field id)"
says "two"
at_host london connector resume two >/dev/null
for p in non-urgent normal urgent; do
    wait_for 20 "$p mail to bob" came bob "id L-$p-1 "
    wait_for 20 "$p mail to alice" came alice "id P-$p-1 "
done
(($(number bob L-urgent-1) < $(number bob L-normal-1) && $(number bob L-normal-1) < $(number bob L-non-urgent-1))) ||
    fail "not by priority: $(cat bob/log)"
[[ $(show london two out) = 1 && $(show london two in) = 0 && $(show paris two in) = 1 && $(show paris two out) = 0 ]] ||
    fail "not one association: $(at_host london connector show two)"
shows london two associations.0.messages_out 3 || fail "others went over it"
shows london two associations.0.messages_in 3 || fail "others came over it"
FROM=/C=FR/A=BOB/S=b/ ID=P4 hand bob paris out message small 1 /C=DE/A=ALICE/P=TWO/S=a/
wait_for 20 "a further one, over the association that is there" came alice "id P4-1 "
shows london two associations.0.messages_in 4 || fail "others came over it"

echo "a schedule that never opens, and one whose time is another day; a reload opens both"
days=(Sun Mon Tue Wed Thu Fri Sat)
other=${days[($(date +%w) + 3) % 7]}
extend paris "$(connector nev paris london nev) $(connector day paris london day)"
extend london "$(connector nev london paris nev 'schedule = ["never"];') $(connector day london paris day "schedule = [\"$other 08:00-09:00\"];")" \
    '{ to = "/C=FR/A=BOB/P=NEV/"; via = ["nev"]; }, { to = "/C=FR/A=BOB/P=DAY/"; via = ["day"]; }, '
to_bob N1 NEV
to_bob N2 DAY
wait_for 10 "both wait" queued london 2
waits_for() { at_host london why "$1" | grep -qE "schedule|never calls"; }
for id in $(at_host london queue list --json | while read -r line; do field id <<<"$line"; done); do
    wait_for 10 "word of the schedule for $id: $(at_host london why "$id")" waits_for "$id"
done
change london "s/schedule = \\[\"never\"\\];//; s/schedule = \\[\"$other 08:00-09:00\"\\];//"
arrives N1
arrives N2

echo "ping: the peer, a T-selector that nobody has, a port where nobody listens, and an address that swallows all"
ip link add hole type veth peer name bottom
ip addr add 198.51.100.1/24 dev hole
ip link set bottom up
ip link set hole up
ip neigh add "${at[hole]}" lladdr 02:00:00:00:00:01 dev hole # nobody's
extend london "$(connector nosel london paris nosel) $(connector noport london paris noport | sed 's/\]:102"/]:103"/')
    $(connector hole london hole hole 'connect_timeout = "200ms";')"
expect 0 "a ping" at_host london x400 ping two --json
[[ $(field ok </mnt/out) = true && $(field mta </mnt/out) = PARIS && $(field mode </mnt/out) = normal ]] || fail "$out"
expect 1 "of a T-selector that nobody has" at_host london x400 ping nosel --json
[[ $(field ok </mnt/out) = false && $(field layer </mnt/out) = transport && $(field reason </mnt/out) = 3 ]] || fail "$out"
expect 1 "of a port where nobody listens" at_host london x400 ping noport --json
[[ $(field ok </mnt/out) = false && $(field layer </mnt/out) = tcp ]] || fail "$out"
says "refused"
expect 1 "of a black hole" at_host london x400 ping hole --json
[[ $(field ok </mnt/out) = false && $(field layer </mnt/out) = tcp ]] || fail "$out"
says "timed out"
to_bob PING X
arrives PING

echo "an alternate: the cheaper connector is down, mail of the moment takes the dearer one, and goes back when it can"
relay rome "$(connector alt rome london alt) $(connector rp rome paris rp) $(connector rbob rome bob out)" \
    '{ to = "/C=FR/A=BOB/P=ALT/"; via = ["rbob"]; }, { to = "/C=FR/A=BOB/P=BOTH/"; via = ["rp", "alt"]; },
     { to = "/C=FR/A=BOB/P=ROUND/"; via = ["alt", "rbob"]; }'
extend paris "$(connector rp paris rome rp)" '{ to = "/C=FR/A=BOB/P=ROUND/"; via = ["rp"]; }, '
extend london "$(connector alt london rome alt)" '{ to = "/C=FR/A=BOB/P=ALT/"; via = ["sec", "alt"]; },
    { to = "/C=FR/A=BOB/P=BOTH/"; via = ["sec", "alt"]; }, { to = "/C=FR/A=BOB/P=ROUND/"; via = ["sec"]; }, '
at_host london connector suspend sec >/dev/null
at_host london connector suspend alt >/dev/null
ID=F1 put message small 9 /C=FR/A=BOB/P=ALT/S=b/
wait_for 10 "nine that wait" queued london 9
at_host london queue hold --selector all >/dev/null
at_host london connector resume sec >/dev/null
at_host london connector resume alt >/dev/null
at_host london queue release --selector all >/dev/null # nine at once, and no association is there
ninth() { [[ $(grep -c "id F1-" bob/log) = 9 ]]; }
wait_for 20 "nine messages" ninth
[[ $(grep -c "^bob message .* id F1-.* trace 3 rerouted 0 " bob/log) = 9 ]] || fail "some took the alternate, though paris is there: $(cat bob/log)"
stop_daemon paris >/dev/null
to_bob F2 ALT
arrives F2
came bob "^rbob message .* id F2-1 trace 3 rerouted 1 " || fail "not by the alternate, or without a word of it: $(cat bob/log)"
echo "two bridgeheads that are each other's alternate: it waits at the second one, and does not come back"
to_bob F3 BOTH
wait_for 20 "it waits at rome" queued rome 1
wait_for 20 "it has left london" empty london
start_daemon paris
instance=paris
wait_for 10 "paris serves again" serving
arrives F3
came bob "^bob message .* id F3-1 trace 4 rerouted 1 " || fail "another way, or trace: $(cat bob/log)"
! grep -q 'x400.transfer.in .*connector="alt"' london.log || fail "it came back to london"
n=0
again() {
    n=$((n + 1))
    ID=F4-$n put message small 1 /C=FR/A=BOB/P=ALT/S=b/
    came bob "^bob message .* id F4-[0-9]+-1 trace 3 rerouted 0 "
}
wait_for 20 "mail over the cheaper connector again" again
echo "never to an MTA that it passed, though that is the cheapest and up"
to_bob F5 ROUND
arrives F5
came bob "^rbob message .* id F5-1 trace 4 rerouted 0 " || fail "another way, or trace: $(cat bob/log)"
