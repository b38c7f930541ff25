#!/usr/bin/env bash
# 61-checkpoint - two Bridgeheads, and every way to lose the answer to the final dot between them: each message comes
# through exactly once.
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
own_host "$@"
far=192.0.2.11
wire=/mnt/wire

# mail TO...: hand in one message to the sending side
mail() {
    /usr/bin/python3 - "$@" <<'PY'
import smtplib, sys
with smtplib.SMTP("192.0.2.10", 25) as s:
    s.sendmail("sender@example.org", sys.argv[1:], b"Subject: x\r\n\r\nbody\r\n")
PY
}
noted() { grep -csx -- "$1" $wire/log || true; }
has_noted() { [[ $(noted "$1") -ge $2 ]]; }
arrived() { grep -csx -- "answer $1" /mnt/sink/log || true; }
has_arrived() { [[ $(arrived "$1") -ge 1 ]]; }
queued() { [[ $(bridgehead --config "/mnt/$1.conf" status --json 2>/dev/null | field queue.messages) = "$2" ]]; }
in_doubt() { [[ $(bh status --json | field queue.in_doubt) = "$1" ]]; }
far_serving() { bridgehead --config /mnt/far.conf probe >/dev/null 2>&1; }
anew() { [[ $(server_pid "$1") != "$old" ]] && bridgehead --config "/mnt/$1.conf" probe >/dev/null 2>&1; }
kill_server() { # NAME: and the keeper starts another
    old=$(server_pid "$1")
    kill -KILL "$old"
    wait_for 20 "a new server of $1" anew "$1"
}
restart() { # NAME: the keeper starts a server again three times in five minutes, not more
    stop_daemon "$1"
    start_daemon "$1"
    wait_for 10 "$1 serving" bridgehead --config "/mnt/$1.conf" probe
}
known() { grep -c "smtp.in.known" /mnt/far.log || true; }
once() { # WHAT RECIPIENT...
    local to
    wait_for 20 "$1: an empty queue" queued relay 0
    wait_for 20 "$1: an empty queue beyond" queued far 0
    for to in "${@:2}"; do
        [[ $(arrived "$to") = 1 ]] || fail "$1: $to came $(arrived "$to") times"
    done
    in_doubt 0 || fail "$1: somebody is still in doubt"
}

mkdir /mnt/sink $wire
touch /mnt/sink/open
"$here/../60-in-doubt/sink.py" $far 2525 /mnt/sink &
started $!
"$here/proxy.py" $far:2600 $far:25 $wire &
started $!
wait_for 10 "the sink" listens 2525
wait_for 10 "the wire" listens 2600
write_config far 'hostname = "far.example.org";' "vip = [\"$far\"];" \
    "connector = { up = { protocol = \"smtp\"; next_hop = [\"[$far]:2525\"]; source = [\"$far\"]; }; };" \
    "route = ( { to = \"*\"; via = [\"up\"]; } );"
write_config relay \
    "connector = { up = { protocol = \"smtp\"; next_hop = [\"[$far]:2600\"]; source = [\"$vip\"]; }; };" \
    'route = ( { to = "*"; via = ["up"]; } );'
start_daemon far
start_daemon relay
wait_for 10 "serving" serving
wait_for 10 "serving beyond" far_serving

echo "the wire holds"
mail plain@x.example
once "an untroubled transfer" plain@x.example

echo "the answer is lost, and the sender dies: the next one asks, and is told"
touch $wire/no-answer
mail a@x.example
wait_for 10 "the answer" has_noted answered 2
wait_for 10 "its way on" has_arrived a@x.example
rm $wire/no-answer
kill_server relay
once "sender killed" a@x.example
[[ $(known) = 1 ]] || fail "it was not asked for"

echo "likewise, and the receiver moves in a planned way meanwhile; then it dies"
touch $wire/no-answer
mail b@x.example
wait_for 10 "the answer" has_noted answered 4
wait_for 10 "its way on" has_arrived b@x.example
stop_daemon relay
rm $wire/no-answer
restart far
kill_server far
start_daemon relay
wait_for 10 "serving" serving
once "receiver moved" b@x.example
[[ $(known) = 2 ]] || fail "it was not asked for"

echo "the receiver dies after its sync and before its answer comes"
bridgehead --config /mnt/far.conf connector suspend up >/dev/null # it still has it then
touch $wire/no-answer
mail c@x.example
wait_for 10 "the answer" has_noted answered 6
rm $wire/no-answer
kill_server far
wait_for 20 "an empty queue here" queued relay 0
[[ $(arrived c@x.example) = 0 ]] || fail "the connector was suspended"
bridgehead --config /mnt/far.conf connector resume up >/dev/null
once "receiver killed, synced" c@x.example
[[ $(known) = 3 ]] || fail "it was not asked for"

echo "the receiver dies before the dot comes to it"
touch $wire/no-dot
mail d@x.example
wait_for 10 "the dot" has_noted dot 7
in_doubt 0 || fail "it is in doubt before anything was lost"
rm $wire/no-dot
kill_server far
once "receiver killed, not synced" d@x.example
[[ $(known) = 3 ]] || fail "it was known, though it never came"

echo "both die; several recipients"
restart relay
restart far
touch $wire/no-answer
/usr/bin/python3 - <<'PY'
import smtplib
with smtplib.SMTP("192.0.2.10", 25) as s:
    s.sendmail("sender@example.org", ["e@x.example", "e2@x.example"], b"Subject: x\r\n\r\nbody\r\n")
PY
wait_for 10 "the answer" has_noted answered 9
rm $wire/no-answer
old=$(server_pid far)
kill -KILL "$old" "$(server_pid relay)"
wait_for 20 "a new server beyond" anew far
wait_for 10 "serving" serving
once "both killed"
# they go on in one transaction, which the sink calls by one of them
[[ $(($(arrived e@x.example) + $(arrived e2@x.example))) = 1 ]] || fail "they came $(arrived e@x.example) + $(arrived e2@x.example) times"

stop_daemon relay
stop_daemon far
echo "all as it should be"
