#!/usr/bin/env bash
# Peers that misbehave, each with mail waiting for it, beside one that does not: its mail flows as if
# it were alone, every other's has the outcome that belongs to it, and the daemon stops in time.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
sink=$BRIDGEHEAD_BUILD/tests/bench/smtp_sink
[[ -x $sink ]] || fail "$sink is not built"
own_host "$@"

modes=(normal blackhole dothole drip flood rcpt4 rcpt5 dot4 dot5 greet4 greet5)
listens=() connectors="" routes=""
for i in "${!modes[@]}"; do
    mode=${modes[$i]}
    listens+=(--listen "127.0.1.$((i + 1)):2525=$mode")
    connectors+="$mode = { protocol = \"smtp\"; next_hop = [\"[127.0.1.$((i + 1))]:2525\"];
        greeting_timeout = \"500ms\"; command_timeout = \"500ms\"; data_done_timeout = \"500ms\"; };"
    routes+="{ to = \"$mode.test\"; via = [\"$mode\"]; },"
done
# nobody listens there
connectors+='refused = { protocol = "smtp"; next_hop = ["[127.0.1.200]:2525"]; };'
"$sink" "${listens[@]}" --ready /mnt/sink.ready --json /mnt/sink.json &
started $!
wait_for 10 "the sink" test -s /mnt/sink.ready

# Refusals come back in half a minute at the earliest: each try is counted once.
write_config relay "connector = { $connectors };" \
    "route = ( $routes { to = \"refused.test\"; via = [\"refused\"]; }, { to = \"*\"; via = [\"normal\"]; } );" \
    'retry = { schedule = ["1min"]; destination = ["1min"]; };'
start_daemon
wait_for 20 "serving" serving

# mail COUNT DOMAIN...: COUNT messages to each, alternating
mail() {
    python3 - "$@" <<'PYTHON'
import smtplib, sys
with smtplib.SMTP("192.0.2.10", 25, "client.test", source_address=("192.0.2.11", 0)) as smtp:
    for i in range(int(sys.argv[1])):
        for domain in sys.argv[2:]:
            smtp.sendmail("sender@normal.test", ["r%d@%s" % (i, domain)],
                          "From: sender@normal.test\r\nSubject: %d\r\n\r\nhello\r\n" % i)
PYTHON
}
# outcome EVENT DOMAIN COUNT PATTERN: so many recipients of the domain have it
outcome() { [[ $(grep -c "delivery\.$1 .*@$2\.test.*$4" /mnt/relay.log) -ge $3 ]]; }

bad=("${modes[@]:1}" refused)
mail 20 "${bad[@]/%/.test}"
mail 200 normal.test
wait_for 60 "the healthy host's mail" outcome delivered normal 200 ""
echo "ok: 200 messages beside ${#bad[@]} hosts that misbehave"

wait_for 60 "blackhole" outcome deferred blackhole 1 "did not answer in time before its greeting"
wait_for 60 "drip" outcome deferred drip 1 "did not answer in time before its greeting"
wait_for 60 "flood" outcome deferred flood 1 "exceeds the limits\|did not answer in time before its greeting"
wait_for 60 "dothole" outcome deferred dothole 1 "did not answer in time after the final dot.*in_doubt=1"
wait_for 60 "refused" outcome deferred refused 1 "connect to .*efused"
wait_for 60 "greet4" outcome deferred greet4 1 'reply="4[0-9][0-9] '
wait_for 60 "greet5" outcome deferred greet5 1 'reply="5[0-9][0-9] '
wait_for 60 "rcpt4" outcome deferred rcpt4 20 'code=4'
wait_for 60 "dot4" outcome deferred dot4 20 'code=4'
wait_for 60 "rcpt5" outcome failed rcpt5 20 'code=5'
wait_for 60 "dot5" outcome failed dot5 20 'code=5'
echo "ok: each has the outcome that belongs to it"

wait_for 60 "40 notifications to the sender" outcome delivered normal 240 ""
echo "ok: what failed for ever was returned"

bh connector show blackhole >/mnt/out || fail "connector show: $(cat /mnt/out)"
grep -q "did not answer in time" /mnt/out || fail "the connector does not tell its last error: $(cat /mnt/out)"
timeout 60 bridgehead --config /mnt/relay.conf stop || fail "the daemon does not stop"
echo "ok: the daemon stops"
