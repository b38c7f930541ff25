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
wait_for 10 "word at paris" said paris 'x400.bind.refused .*connector="sec" .*mode'
wait_for 10 "word at london" said london 'x400.association.failed .*connector="sec" .*mode'
change paris 's/mode = "normal"/mode = "x410"/'
arrives S6
[[ $(show london sec associations.0.mode) = x410 ]] || fail "not the new mode"

echo "no password is in a log, a status or a ping"
! grep -rqsE 'swordfish|herring' london.log paris.log out || fail "a password was told"
