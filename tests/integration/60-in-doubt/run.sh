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
one_in_doubt() { [[ $(bh queue list --selector in-doubt --json | wc -l) = 1 ]]; }

mkdir /mnt/sink
"$here/sink.py" $sink 2525 /mnt/sink &
started $!
wait_for 10 "the sink" listens 2525
write_config relay \
    "connector = { up = { protocol = \"smtp\"; next_hop = [\"[$sink]:2525\"]; source = [\"$vip\"]; };
                   kept = { protocol = \"smtp\"; next_hop = [\"[$sink]:2525\"]; source = [\"$vip\"]; in_doubt = \"hold\"; }; };" \
    'route = ( { to = "*"; via = ["up"]; }, { to = "kept.example"; via = ["kept"]; } );'
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

stop_daemon
echo "all as it should be"
