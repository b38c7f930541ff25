#!/usr/bin/env bash
# The keeper: it restarts a crashed server behind sockets that stay open, gives up when it crashes too often, takes the
# server with it when it dies, hands off on SIGTERM, ends a hung server, and reloads listeners on SIGHUP.
# shellcheck disable=SC2119 # most arguments of daemon.sh are optional
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
own_host "$@"

# keeper_in_foreground: its pid in $keeper, so that its exit code can be waited for
keeper_in_foreground() {
    bridgeheadd --foreground --config /mnt/relay.conf 2>/mnt/keeper.err &
    keeper=$!
    wait_for 10 "the daemon" serving
}
# keeper_ends CODE WHAT
keeper_ends() {
    local rc=0

    wait "$keeper" || rc=$?
    ((rc == $1)) || fail "$2: the keeper ended with $rc, not $1: $(</mnt/keeper.err)"
    echo "ok: $2"
}
new_server() { [[ -n $(server_pid) && $(server_pid) != "$1" ]] && serving_or_degraded; }
serving_or_degraded() { status_is serving || status_is degraded; }
owner() { bh store owner; }
crash_server() {
    local old

    old=$(server_pid)
    cuts+=(--cut "$(date +%s.%N)")
    kill -KILL "$old"
    wait_for 20 "the server's restart" new_server "$old"
}
# sockets: who listens, by inode: the same socket, not one of the same number
sockets() { ss -Hltne "sport = :25" | grep -o 'ino:[0-9]*'; }

cuts=()
write_config
sink_start

# ---- a crash of the server
keeper_in_foreground
before=$(sockets)
"$support/prober" --to $vip --out /mnt/probes --until /mnt/stop-probes &
prober=$!
"$support/sender" --to $vip --out /mnt/sent --rate 200 --until /mnt/stop-probes &
sender=$!
wait_for 20 "mail" grep -qs '"acked"' /mnt/sent
fault=$(date +%s.%N)
for _ in 1 2 3; do
    crash_server
    at=$(date +%s.%N)
    wait_for 20 "mail after the crash" acked_since "$at"
done
[[ $(sockets) = "$before" ]] || fail "the listening socket is another one than before the crash"
logged "1022 keeper.server.crashed" || fail "no event for the crash"
wait_for 10 "the crash in the state" degraded server-restarted
expect 190 "a restart is shown as degraded" bh probe
says server-restarted
touch /mnt/stop-probes
wait $prober || fail "the prober failed"
wait $sender || true # what it was not promised is in its records
"$support/prober" --report /mnt/probes --fault "$fault"
refused=$("$support/prober" --report /mnt/probes --fault "$fault" --json | field refused)
((refused == 0)) || fail "$refused connections were refused"
echo "ok: three crashes, no connection refused"

# ---- one crash too many
cuts+=(--cut "$(date +%s.%N)")
kill -KILL "$(server_pid)"
keeper_ends 1 "the fourth crash within five minutes ends the keeper"
logged "1023 keeper.gives.up" || fail "no event for giving up"
wait_for 10 "the port to close" not_listening
cat /mnt/probes >>/mnt/sent
keeper_in_foreground
wait_for 20 "the rest of the mail" drained
verify "${cuts[@]}" # a second copy only of what was in doubt at a crash

# ---- SIGTERM: a handoff
kill -TERM $keeper
keeper_ends 0 "SIGTERM"
[[ $(owner) = released* ]] || fail "the store is not released: $(owner)"
[[ ! -e /run/bridgehead/relay/pid ]] || fail "the pid file is left"
not_listening || fail "the port is still open"
expect 7 "probe of a stopped daemon" bh probe

# ---- a stop while the start still waits for another node's lease: no start that succeeded
start_daemon relay --node elsewhere
server=$(server_pid)
kill -KILL "$(keeper_pid)"
wait_for 10 "the server's end" process_gone "$server"
start_daemon 2>/mnt/start.err &
starting=$!
opening() { status_is recovering || status_is starting; }
wait_for 10 "the wait for the lease" opening
expect 190 "probe while the store is not open" bh probe
expect 0 "stop of a daemon that starts" bh stop
rc=0
wait $starting || rc=$?
((rc == 1)) || fail "a start that was stopped ended with $rc: $(</mnt/start.err)"
echo "ok: a start that was stopped is no success"
expect 0 "the other node's store is given up" bridgeheadd --release --config /mnt/relay.conf --node elsewhere

# ---- the keeper dies: so does the server
exec 7</mnt/relay.store/STORE # of the shell that starts it: not for the daemon
start_daemon
exec 7<&-
server=$(server_pid)
! readlink "/proc/$server"/fd/* "/proc/$(keeper_pid)"/fd/* | grep STORE || fail "an inherited descriptor stays open"
! readlink "/proc/$(keeper_pid)"/fd/* | grep /mnt/relay.store || fail "the keeper has the store open"
kill -KILL "$(keeper_pid)"
wait_for 10 "the server's end" process_gone "$server"
expect 7 "probe after the keeper's death" bh probe
echo $$ >/run/bridgehead/relay/pid # the number of the dead keeper, given to another process
expect 0 "stop with a stale pid file" bh stop
expect 0 "start after the keeper's death" start_daemon
[[ $(bh failover report --json | field cause) = same-node ]] || fail "cause: $(bh failover report)"

# ---- a server that hangs
server=$(server_pid)
kill -STOP "$server"
expect 14 "probe of a hung server" bh probe
says "hangs"
expect 0 "stop of a hung server" bh stop --timeout 30
process_gone "$server" || fail "the hung server is still there"
logged "1031 keeper.server.killed" || fail "no event for the killed server"
expect 0 "the store is given up" bridgeheadd --release --config /mnt/relay.conf
[[ $(owner) = dead* ]] || fail "the store is not marked: $(owner)"

# ---- ownership is lost, and the log hangs: both processes end all the same, and nothing is started again
mkfifo /mnt/full
exec 6<>/mnt/full
dd if=/dev/zero of=/mnt/full oflag=nonblock bs=4096 count=64 2>/dev/null || true # now a write waits
write_config relay 'log = { to = "file:/mnt/full"; level = "debug"; };'
keeper_in_foreground
server=$(server_pid)
touch /mnt/relay.store/owner.999
keeper_ends 10 "a server that lost its store ends although its log hangs"
process_gone "$server" || fail "the server is still there"
exec 6>&-
rm /mnt/relay.store/owner.999
write_config
expect 0 "the store is given up again" bridgeheadd --release --config /mnt/relay.conf

# ---- SIGHUP
keeper_in_foreground
[[ $(bh failover report --json | field cause) = dead ]] || fail "cause: $(bh failover report)"
exec 5<>/dev/tcp/$vip/25 # a session that must live through all reloads
read -r greeting <&5
[[ $greeting = 220* ]] || fail "greeting: $greeting"
old=$(sockets)
write_config relay 'listener = { mx = { protocol = "smtp"; address = "vip"; port = 25; }; sub = { protocol = "smtp"; address = "192.0.2.11"; port = 587; }; };'
kill -HUP "$keeper"
wait_for 10 "the new listener" listens 587
[[ $(sockets) = "$old" ]] || fail "the old listener was opened anew"
echo "ok: SIGHUP opens a new listener"
write_config relay 'listener = { mx = { protocol = "smtp"; port = 0; }; };'
expect 3 "reload of a file with an error" bh reload
says "listener.mx.port"
kill -HUP "$keeper"
wait_for 10 "the refusal in the log" logged "1008 app.reload.refused"
listens 587 || fail "a faulty file closed a listener"
listens 25 || fail "a faulty file closed a listener"
echo "ok: a file with an error keeps the old configuration"
write_config relay 'store = { path = "/mnt/other.store"; };'
expect 3 "reload of what needs a restart" bh reload
says "store.path"
# another name for the same address and port: the same socket
write_config relay 'listener = { smtp = { protocol = "smtp"; address = "vip"; port = 25; }; };'
expect 0 "reload with a renamed listener" bh reload
wait_for 10 "the other listener to go" not_listening 587
[[ $(sockets) = "$old" ]] || fail "a renamed listener was opened anew"
# a port that is taken: the old listeners stay, and the log says which could not be opened
/usr/bin/python3 -c '
import socket, time
s = socket.socket(); s.bind(("192.0.2.10", 26)); s.listen(); open("/mnt/taken", "w").close(); time.sleep(600)' &
started $!
wait_for 10 "the port to be taken" test -e /mnt/taken
write_config relay 'listener = { mx = { protocol = "smtp"; port = 25; }; more = { protocol = "smtp"; port = 26; }; };'
expect 8 "reload with a port in use" bh reload
says "listener.more"
listens 25 || fail "a port in use closed a listener"
write_config
expect 0 "reload" bh reload
[[ $(sockets) = "$old" ]] || fail "the listener that stays was opened anew"
printf 'NOOP\r\n' >&5
read -r answer <&5
[[ $answer = 250* ]] || fail "the session was dropped by a reload: $answer"
exec 5>&-
echo "ok: reloads drop no session"
send 10 --tag v
wait_for 10 "delivery after the reloads" drained
kill -TERM $keeper
keeper_ends 0 "SIGTERM after reloads"
verify "${cuts[@]}"

# ---- as many listeners as there may be: within a reload there are those of both configurations
many() { # NAME: 32 of them at each of 16 addresses, named so
    local i

    echo -n 'listener = { '
    for i in {1..32}; do
        echo -n "$1$i = { protocol = \"smtp\"; address = \"vip\"; port = $((3000 + i)); }; "
    done
    echo '};'
}
printf -v vips '"192.0.2.%d", ' {10..25}
write_config relay "vip = [${vips%, }];" "$(many a)"
expect 0 "a start with 512 sockets" start_daemon
server=$(server_pid)
write_config relay "vip = [${vips%, }];" "$(many b)"
expect 0 "a reload by which all of them have another name" bh reload
[[ $(server_pid) = "$server" ]] || fail "the reload ended the server"
expect 0 "stop" stop_daemon
