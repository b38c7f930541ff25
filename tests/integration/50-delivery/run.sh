#!/usr/bin/env bash
# 50-delivery - what becomes of mail that is taken, refused or put off: notices, retries, alternates, expiry, with the
# real queue and a real server in between.
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
own_host "$@"
sink=192.0.2.11

# mail FROM TO...: hand in one message
mail() {
    local from=$1
    shift
    /usr/bin/python3 - "$from" "$@" <<'PY'
import smtplib, sys
with smtplib.SMTP("192.0.2.10", 25) as s:
    s.sendmail(sys.argv[1], sys.argv[2:], b"Subject: number 7\r\nFrom: a@example.org\r\n\r\nbody\r\n")
PY
}
# taken ENVELOPE: the sink has it
taken() { grep -qsx -- "$1" /mnt/sink/*[0-9]; }
file_of() { grep -lsx -- "$1" /mnt/sink/*[0-9]; }
queued() { [[ $(bh status --json | field queue.messages) = "$1" ]]; }
restarted() { [[ $(server_pid) != "$old" ]] && serving; }

mkdir /mnt/sink
"$here/sink.py" $sink 2525 /mnt/sink &
started $!
wait_for 10 "the sink" listens 2525
write_config relay \
    "connector = { dead = { protocol = \"smtp\"; next_hop = [\"[$sink]:2599\"]; };
                   up = { protocol = \"smtp\"; next_hop = [\"[$sink]:2525\"]; source = [\"$vip\"]; }; };" \
    'route = ( { to = "*"; via = ["up"]; }, { to = "alt.example"; via = ["dead", "up"]; },
               { to = "dead.example"; via = ["dead"]; } );'
start_daemon
wait_for 10 "serving" serving

echo "one notice for what a delivery failed, none for a failed notice"
mail sender@example.org ok@x.example no1@x.example no2@x.example
wait_for 10 "the message" taken "sender@example.org ok@x.example"
wait_for 10 "the notice" taken " sender@example.org"
notice=$(file_of " sender@example.org")
for text in "Action: failed" "Status: 5.1.1" "rfc822; no1@x.example" "rfc822; no2@x.example" \
    "Diagnostic-Code: smtp; 550 5.1.1 no such user" "Subject: number 7"; do
    grep -q "$text" "$notice" || fail "no \"$text\" in the notice"
done
mail "" no@x.example
wait_for 10 "an empty queue" queued 0
logged "notice.dropped" || fail "the dropped notice is not logged"
grep "delivery.delivered.*rcpt=\"ok@x.example\"" relay.log | grep -q "source=\"[^\"]*$vip" ||
    fail "a delivery is logged without its source"

echo "put off, through a crash, until it is taken"
mail sender@example.org busy@x.example
wait_for 10 "a deferral" logged "delivery.deferred"
bh why "$(bh queue list --json | grep -o '"id": *"[0-9a-f]*"' | head -n 1 | grep -o '[0-9a-f]\{4,\}')" >why.txt
grep -q "mailbox busy" why.txt || fail "why does not say why: $(cat why.txt)"
old=$(server_pid)
kill -KILL "$old"
wait_for 20 "a new server" restarted
wait_for 10 "the deferred message" queued 1
touch /mnt/sink/open
wait_for 20 "the message that was put off" taken "sender@example.org busy@x.example"
wait_for 10 "an empty queue" queued 0

echo "the alternate, when the first connector is dead"
mail sender@example.org ok1@alt.example
mail sender@example.org ok2@alt.example
wait_for 10 "the first" taken "sender@example.org ok1@alt.example"
wait_for 10 "the second" taken "sender@example.org ok2@alt.example"
logged "destination.down.*dead" || fail "a dead destination is not logged"

echo "expiry, although the destination is down"
mail late@example.org ok@dead.example
wait_for 10 "it waits" queued 1
sed -i 's/^retry = {/& expire = "2s";/' relay.conf
bh reload >/dev/null
wait_for 30 "the notice of expiry" taken " late@example.org"
grep -q "Status: 4.4.7" "$(file_of " late@example.org")" || fail "not the status of expiry"
wait_for 10 "an empty queue" queued 0
stop_daemon
echo "all as it should be"
