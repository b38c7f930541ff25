#!/usr/bin/env bash
# 83-x400-messages - what messages, probes and reports ask for, and what two daemons in a row make of it: delivery times, reports,
# histories, extensions that nobody here knows, in each of the three modes.
#
#   alice -> london => paris -> bob       => a connector for each mode
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
own_host "$@"
declare -A at=([london]=192.0.2.10 [paris]=192.0.2.11 [alice]=127.0.0.1 [bob]=127.0.0.1)
declare -A port=([london]=102 [paris]=102 [alice]=2101 [bob]=2102)
# shellcheck source=tests/integration/x400.sh
. "$tests/integration/x400.sh"
envelope() { "$tests/integration/83-x400-messages/envelope.py" "$@"; }
report() { wait_for 20 "the report on $1" came alice "report .* subject $1-1 $2( |\$)"; } # ID WHAT
arrives() { wait_for 20 "message $1" came bob "id $1-1 "; }                           # ID
# given ID SPACE OPTION...: a message with an envelope of its own
given() {
    local id=$1 to=/C=FR/A=BOB/P=$2/S=b/

    shift 2
    envelope make "head.$id" "$id-1" "$to" "$@"
    HEAD=/mnt/head.$id put message small 1 "$to"
}

mkdir alice bob
head -c 3000 /dev/urandom >small
"$driver" receive /mnt/alice "${at[alice]}" "${port[alice]}" "$(spec alice alice london in)" &
started $!
"$driver" receive /mnt/bob "${at[bob]}" "${port[bob]}" "$(spec bob bob paris out)" &
started $!
modes=(normal x410 1984)
to_paris='' to_london='' routes=''
for mode in "${modes[@]}"; do
    to_paris+=$(connector "m$mode" london paris "m$mode" "mode = \"$mode\";")
    to_london+=$(connector "m$mode" paris london "m$mode" "mode = \"$mode\";")
    routes+="{ to = \"/C=FR/A=BOB/P=$mode/\"; via = [\"m$mode\"]; }, "
done
relay paris "$to_london $(connector bob paris bob out)" '{ to = "/C=FR/A=BOB/"; via = ["bob"]; }, { to = "/C=DE/"; via = ["mnormal"]; }'
relay london "$to_paris $(connector alice london alice in)" \
    "$routes { to = \"/C=FR/\"; via = [\"mnormal\"]; }, { to = \"/C=DE/A=ALICE/\"; via = [\"alice\"]; }"

echo "a deferred delivery time: held, and shown; through a kill of the server; delivered behind it, once"
# An MTA holds what comes from its own domain only, and so does the end: these two come out of a file.
bh connector suspend mnormal >/dev/null
ID=PLAIN put message small 1 /C=FR/A=BOB/P=normal/S=b/
id=$(bh queue list --json | head -1 | field id)
bh queue export "$id" --output plain
bh queue remove "$id" >/dev/null
bh connector resume mnormal >/dev/null
defer() { # ID SECONDS: until then
    envelope make "head.$1" "$1-1" /C=FR/A=BOB/P=normal/S=b/ "deferred=$(date -u -d "@$2" +%y%m%d%H%M%SZ)"
    cat "head.$1" small >"$1"
    envelope exported plain "$1" "$2"
    bh queue import "$1" >/dev/null
}
now=$(date +%s)
later=$((now + 3600)) soon=$((now + 4))
defer HOUR $later
id=$(bh queue list --json | head -1 | field id)
defer SOON $soon
shown() {
    [[ $(bh queue list --json | head -1 | field recipients.0.next) = $(date -u -d "@$later" +%Y-%m-%dT%H:%M:%S)* ]] &&
        bh why "$id" | grep -q "its deferred delivery time is"
}
wait_for 10 "the time in queue list and why" shown
old=$(server_pid)
kill -KILL "$old"
restarted() { [[ $(server_pid) != "$old" ]] && serving; }
wait_for 20 "a new server" restarted
wait_for 10 "the time in queue list and why, still" shown
arrives SOON
same small "$(number bob SOON-1)"
(($(stat -c %Y "bob/bob.$(number bob SOON-1)") >= soon)) || fail "it came before its time"
[[ $(grep -c "id SOON-1 " bob/log) = 1 ]] || fail "it came twice"
! came bob "id HOUR-1 " || fail "it came an hour early"
bh queue bounce "$id" >/dev/null
report HOUR "failed reason [0-9]+ diagnostic [0-9]+"

echo "a latest delivery time that passes on the way: maximum-time-expired"
instance=paris
bh connector suspend bob >/dev/null
instance=london
LATEST=$(($(date +%s) + 2)) ID=LATEST put message small 1 /C=FR/A=BOB/P=x410/S=b/
report LATEST "failed reason 0 diagnostic 5"
instance=paris
bh connector resume bob >/dev/null

for mode in "${modes[@]}"; do
    echo "mode $mode: delivery is reported where that was asked for, recipient by recipient; and on probes"
    REPORTS=1 ID=R$mode put message small 1 "/C=FR/A=BOB/P=$mode/S=one/" "/C=FR/A=BOB/P=$mode/S=two/"
    arrives "R$mode"
    same small "$(number bob "R$mode-1")"
    ID=RR$mode hand bob paris out report "bob/bob.$(number bob "R$mode-1")" 1 delivered failed
    report "R$mode" "delivered .* failed reason 0 diagnostic 4"
    bobs=/C=FR/A=BOB/P=$mode
    for who in paris london; do
        wait_for 5 "what it says, in the log of $who" logged "$who" "x400.report.in .* R$mode-1\" delivered=1 failed=1 \
rcpts=\"$bobs/S=one/ delivered [0-9]*Z, $bobs/S=two/ failed 0 transfer-failure, 4 recipient-unavailable"
    done
    ID=N$mode put message small 1 "/C=FR/A=BOB/P=$mode/S=b/"
    arrives "N$mode"
    ! hand bob paris out report "bob/bob.$(number bob "N$mode-1")" 1 delivered 2>report.err || fail "a report was asked for"
    grep -q "nothing to report" report.err || fail "$(cat report.err)"
    REPORTS=1 ID=P$mode put probe small 1 "/C=FR/A=BOB/P=$mode/S=b/"
    arrives "P$mode"
    came bob "^bob probe .* id P$mode-1 " || fail "it is no probe any more"
    ID=RP$mode hand bob paris out report "bob/bob.$(number bob "P$mode-1")" 1 delivered
    report "P$mode" delivered

    echo "mode $mode: histories and unknown extensions, octet by octet; an unknown critical one is refused"
    given "H$mode" "$mode" history unknown
    arrives "H$mode"
    same small "$(number bob "H$mode-1")"
    envelope extensions "head.H$mode" >sent.ext
    envelope extensions "bob/bob.$(number bob "H$mode-1")" >came.ext
    [[ $(wc -l <sent.ext) = 4 ]] || fail "the test's own envelope: $(cat sent.ext)"
    if [[ $mode = 1984 ]]; then
        : >sent.ext # which has none
    fi
    cmp sent.ext came.ext || fail "other extensions: $(cat came.ext)"
    given "C$mode" "$mode" critical
    report "C$mode" "failed reason 1 diagnostic 18"
    given "D$mode" "$mode" recipient-critical
    report "D$mode" "failed reason 1 diagnostic 18"
done

echo "what 1984 cannot tell is not sent so: a content type of 1988"
given TYPE normal type22
arrives TYPE
given OLD 1984 type22
report OLD "failed reason 1 diagnostic 47"
! came bob "id OLD-1 " || fail "it was sent all the same"
! grep -qE 'id [CD](normal|x410|1984)-1 ' bob/log || fail "a critical extension was passed on"
wait_for 20 "empty queues" empty london
wait_for 20 "empty queues" empty paris
