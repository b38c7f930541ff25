#!/usr/bin/env bash
# 60-in-doubt - the server is killed while a delivery is under way: who is in doubt, what becomes of it, and who is not.
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
own_host "$@"
sink=192.0.2.11

# mail TO...: hand in one message
mail() {
    /usr/bin/python3 - "$@" <<'PY'
import smtplib, sys
with smtplib.SMTP("192.0.2.10", 25) as s:
    s.sendmail("sender@example.org", sys.argv[1:], b"Subject: x\r\n\r\nbody\r\n")
PY
}
times() { grep -csx -- "$1" /mnt/sink/log || true; }
came() { [[ $(times "$1") -ge ${2:-1} ]]; }
queued() { [[ $(bh status --json | field queue.messages) = "$1" ]]; }
in_doubt() { [[ $(bh status --json | field queue.in_doubt) = "$1" ]]; }
id_of() { bh queue list --selector "recipient=$1" --json | field id; }
restarted() { [[ $(server_pid) != "$old" ]] && serving; }
kill_server() {
    old=$(server_pid)
    kill -KILL "$old"
    wait_for 20 "a new server" restarted
}
# The keeper starts a server again three times in five minutes, not more.
fresh() {
    stop_daemon
    start_daemon
    wait_for 10 "serving" serving
}
one_in_doubt() { [[ $(bh queue list --selector in-doubt --json | wc -l) = 1 ]]; }

mkdir /mnt/sink
"$here/sink.py" $sink 2525 /mnt/sink &
started $!
wait_for 10 "the sink" listens 2525
write_config relay \
    "connector = { up = { protocol = \"smtp\"; next_hop = [\"[$sink]:2525\"]; source = [\"$vip\"]; };
                   kept = { protocol = \"smtp\"; next_hop = [\"[$sink]:2525\"]; source = [\"$vip\"]; in_doubt = \"hold\"; }; };" \
    'route = ( { to = "*"; via = ["up"]; }, { to = "kept.example"; via = ["kept"]; } );' 'drain = "300ms";'
start_daemon
wait_for 10 "serving" serving

echo "killed with the final dot out: in doubt, and tried again"
mail dot@x.example
wait_for 10 "the dot" came "dot dot@x.example"
kill_server
wait_for 10 "the second try" came "dot dot@x.example" 2
[[ $(bh failover report --json | field in_doubt) = 1 ]] || fail "the report does not count it"
in_doubt 1 || fail "status does not count it"
one_in_doubt || fail "it is not listed"
bh queue show "$(id_of dot@x.example)" >show.txt
grep -q "in doubt since the takeover at 20" show.txt || fail "queue show does not say since when: $(cat show.txt)"
touch /mnt/sink/open
wait_for 10 "an empty queue" queued 0
rm /mnt/sink/open

echo "killed before the dot: the crash cannot tell, it is reported, and comes once"
mail data@x.example
wait_for 10 "DATA" came "data data@x.example"
kill_server
touch /mnt/sink/open
wait_for 10 "an empty queue" queued 0
[[ $(times "answer data@x.example") = 1 ]] || fail "it came $(times "answer data@x.example") times"
rm /mnt/sink/open

fresh
echo "where the connector holds, it waits for the operator; the others go on"
mail dot@kept.example ok@x.example
wait_for 10 "the dot" came "dot dot@kept.example"
kill_server
wait_for 10 "the doubt" in_doubt 1
wait_for 10 "the other" came "answer ok@x.example"
id=$(id_of dot@kept.example)
bh why "$id" | grep -q "may have been delivered" || fail "why does not say so: $(bh why "$id")"
mail ok@kept.example # the connector itself goes on
wait_for 10 "the next message" came "answer ok@kept.example"
[[ $(times "dot dot@kept.example") = 1 ]] || fail "it was tried again"
kill_server # it waits in the next epoch as well
wait_for 10 "the doubt" in_doubt 1
[[ $(times "dot dot@kept.example") = 1 ]] || fail "it was tried again by the next owner"
touch /mnt/sink/open
bh queue release "$id" >/dev/null
wait_for 10 "an empty queue" queued 0
[[ $(times "dot dot@kept.example") = 2 ]] || fail "it was not tried once more"
rm /mnt/sink/open

echo "a planned stop waits for no answer: in doubt is who has his dot out, and nobody else"
mail dot@kept.example
mail data@x.example
wait_for 10 "the dot" came "dot dot@kept.example" 3
wait_for 10 "DATA" came "data data@x.example" 3
fresh
[[ $(bh failover report --json | field cause) = released ]] || fail "it was not a planned stop"
[[ $(bh failover report --json | field in_doubt) = 0 ]] || fail "the next owner found an attempt under way"
in_doubt 1 || fail "status counts $(bh status --json | field queue.in_doubt) in doubt"
[[ $(bh queue list --selector in-doubt --json | field recipients.0.address) = dot@kept.example ]] || fail "who is in doubt?"
touch /mnt/sink/open
wait_for 10 "the one that waits" queued 1
bh queue retry "$(id_of dot@kept.example)" >/dev/null
wait_for 10 "an empty queue" queued 0
[[ $(times "answer data@x.example") = 2 ]] || fail "what had not come to its dot came $(times "answer data@x.example") times"
rm /mnt/sink/open

fresh
echo "in hand at two crashes: held, and nothing else is"
mail dot@x.example
wait_for 10 "the dot" came "dot dot@x.example" 3
kill_server
wait_for 10 "the second try" came "dot dot@x.example" 4
mail ok@x.example
wait_for 10 "the innocent" came "answer ok@x.example" 2
kill_server
wait_for 10 "the hold" logged "delivery.poison.held"
id=$(id_of dot@x.example)
[[ $(bh queue show "$id" --json | field held) = true ]] || fail "it is not held"
bh why "$id" | grep -q "crashed 2 times in a row" || fail "why does not say so: $(bh why "$id")"
[[ $(bh failover report --json | field poison) = 1 ]] || fail "the report does not count it"
bh queue remove "$id" >/dev/null
wait_for 10 "an empty queue" queued 0

fresh
echo "a suspended connector stays so through a crash and a handoff"
bh connector suspend up >/dev/null
mail ok2@x.example
kill_server
[[ $(bh connector show up --json | field state) = suspended ]] || fail "not suspended after a crash"
fresh
[[ $(bh connector show up --json | field state) = suspended ]] || fail "not suspended after a handoff"
queued 1 || fail "the message did not wait"
bh connector resume up >/dev/null
wait_for 10 "an empty queue" queued 0
fresh
[[ $(bh connector show up --json | field state) = up ]] || fail "not up after resume"

stop_daemon
echo "all as it should be"
