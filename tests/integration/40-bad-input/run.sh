#!/usr/bin/env bash
# Bad input: each fault of the configuration or of the surroundings ends the start with its own event, exit code and
# cure; a virtual IP that is absent or leaves stops traffic until it is back, and loses nothing.
# shellcheck disable=SC2119 # most arguments of daemon.sh are optional
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
own_host "$@"

# refused CODE EVENT WHAT WORD...: the start fails so, says each WORD, and leaves nothing behind.
refused() {
    local code=$1 event=$2 what=$3 word

    shift 3
    expect "$code" "$what" start_daemon
    says "[$event "
    for word in "$@"; do says "$word"; done
    [[ ! -e /run/bridgehead/$instance/pid ]] || fail "$what: a pid file is left"
    expect 7 "$what: nothing runs" bh probe
}

# faulty CODE EVENT WHAT LINE WORD...: with a setting replaced. The same fault is found by both checks.
faulty() {
    local code=$1 event=$2 what=$3 line=$4

    shift 4
    write_config relay "$line"
    refused "$code" "$event" "$what" "$@"
    expect "$code" "$what, --check" bridgeheadd --check --config /mnt/relay.conf
    says "[$event "
    expect "$code" "$what, bridgehead check" bh check
    says "[$event "
    expect "$code" "$what, bridgehead check --json" bh check --json
    [[ $(head -n 1 /mnt/out | field error.event) = "$event" ]] || fail "check --json has not event $event: $out"
}

write_config
expect 0 "a good file" bridgeheadd --check --config /mnt/relay.conf

faulty 3 1101 "an unknown key" 'hostnme = "x";' /mnt/relay.conf: hostnme "did you mean"
faulty 3 1102 "a wrong type" 'vip = "192.0.2.10";' /mnt/relay.conf:2: vip 'must be'
faulty 3 1103 "a duplicate key" 'store = { path = "/mnt/a"; path = "/mnt/b"; };' /mnt/relay.conf:3: path "keep one"
faulty 3 1104 "a key missing" 'store = { reserve = "8MiB"; };' store.path
faulty 3 1105 "no syntax" 'store = { path = ; };' /mnt/relay.conf:3:
faulty 3 1100 "a value out of range" 'listener = { mx = { protocol = "smtp"; port = 70000; }; };' listener.mx.port 65535
faulty 3 1100 "a route to nowhere" 'route = ( { to = "*"; via = ["nowhere"]; } );' 'route[0].via' nowhere
faulty 3 1100 "a source that is no VIP" 'connector = { up = { protocol = "smtp"; source = ["192.0.2.99"]; }; };' 192.0.2.99
write_config
rm /mnt/relay.conf
refused 3 1106 "no file" /mnt/relay.conf "No such file"

# ---- X.400. x400_faulty WHAT CONNECTORS ROUTE WORD...: with these connectors and this route
x400_faulty() {
    local what=$1 connectors=$2 route=$3 word

    shift 3
    write_config relay 'x400 = { domain = "/C=GB/A=TEST/P=LONDON/"; mta = "LONDON"; };' \
        'listener = { p1 = { protocol = "x400"; }; };' "connector = { $connectors };" "route = ( $route );"
    refused 3 1100 "$what" "$@"
    expect 3 "$what, bridgehead check" bh check
    for word in "$@"; do says "$word"; done
}
p1() { echo "$1 = { protocol = \"x400\"; next_hop = [\"198.51.100.7\"]; $2 };"; }
peer='remote = { mta = "PARIS"; };'
paris=$(p1 paris "$peer")
to_paris='{ to = "/C=FR/A=ATLAS/P=PARIS/"; via = ["paris"]; }'
faulty 3 1100 "x400 without names" 'listener = { p1 = { protocol = "x400"; }; };' listener.p1.protocol 'Add x400 ='
x400_faulty "a selector too long" "$(p1 paris "$peer local = { ssel = \"12345678901234567\"; };")" "$to_paris" \
    /mnt/relay.conf: paris.local.ssel 17 'most is 16'
x400_faulty "bad hex" "$(p1 paris "$peer local = { tsel_hex = \"7x\"; };")" "$to_paris" paris.local.tsel_hex 7x 'two digits'
x400_faulty "text and hex of one selector" "$(p1 paris "$peer local = { tsel = \"p\"; tsel_hex = \"70\"; };")" "$to_paris" \
    paris.local.tsel_hex 'one of the two'
x400_faulty "connectors that no association tells apart" "$paris $(p1 rome "$peer")" "$to_paris" \
    connector.rome.remote.mta 'connector paris' 'another local.tsel'
x400_faulty "a country out of bounds" "$paris" '{ to = "/C=FRA/A=ATLAS/"; via = ["paris"]; }' 'route[0].to' 'C:'
x400_faulty "a name out of bounds" "$paris" '{ to = "/C=FR/A=SEVENTEEN-LETTERS/"; via = ["paris"]; }' 'route[0].to' 'A:' 16
x400_faulty "keys of another protocol" "$(p1 paris "$peer concurrency = 3;")" "$to_paris" paris.concurrency 'not a key'
x400_faulty "a domain by an x400 connector" "$paris" '{ to = "example.org"; via = ["paris"]; }' 'route[0].via' 'no gateway'
x400_faulty "an O/R address by an smtp connector" 'up = { protocol = "smtp"; };' '{ to = "/C=FR/A=ATLAS/"; via = ["up"]; }' \
    'route[0].via' 'no gateway'
x400_faulty "a bad schedule" "$(p1 paris "$peer schedule = [\"Mon-Fri\"];")" "$to_paris" paris.schedule 08:00-18:00
secret='remote = { mta = "PARIS"; password_file = "/mnt/secret"; };'
x400_faulty "no password file" "$(p1 paris "$secret")" "$to_paris" paris.remote.password_file "No such file" "chmod 640 /mnt/secret"
echo swordfish >/mnt/secret
chmod 644 /mnt/secret
x400_faulty "a password for everyone" "$(p1 paris "$secret")" "$to_paris" "open to everyone (mode 0644)" "chmod 640 /mnt/secret"
chmod 600 /mnt/secret
x400_faulty "a password that the server cannot read" "$(p1 paris "$secret")" "$to_paris" "the account bridgehead" "chown root:bridgehead"
chown root:bridgehead /mnt/secret
chmod 640 /mnt/secret
write_config relay 'x400 = { domain = "/C=GB/A=TEST/P=LONDON/"; mta = "LONDON"; };' \
    'listener = { p1 = { protocol = "x400"; }; };' "connector = { $(p1 paris "$secret") };" "route = ( $to_paris );"
expect 0 "a good file with X.400" bh check
says "listener p1: x400 at [192.0.2.10]:102"
says "the peer is PARIS, with a password"
says "route /C=FR/A=ATLAS/P=PARIS/: paris (cost 1)"
expect 0 "a good file with X.400, --check" bridgeheadd --check --config /mnt/relay.conf
expect 0 "the example" bridgehead --config "$tests/../deploy/examples/relay.conf" check
# what the guides show is a good file
for guide in exchange-x400-connector amhs; do
    {
        echo 'hostname = "mx.example.org"; vip = ["192.0.2.10"]; store = { path = "/mnt/relay.store"; };'
        sed -n 's/^    //p' "$here/../../../docs/guides/$guide.md" | sed 's,/etc/bridgehead/[a-z]*.pw,/mnt/secret,'
    } >/mnt/guide.conf
    grep -q x400 /mnt/guide.conf || fail "the guide $guide shows no configuration"
    expect 0 "the guide $guide" bridgehead --config /mnt/guide.conf check
done
! grep -rqs swordfish /mnt/relay.log /mnt/out || fail "a password was logged"

write_config relay 'vip = [];'
refused 3 1100 "no virtual IP" vip
write_config
expect 3 "another set of virtual IPs than the cluster's" start_daemon relay --vip 192.0.2.11
says 192.0.2.11
says "[1100 "
write_config relay 'instance = "other";'
refused 3 1100 "another instance name" instance relay
write_config relay 'user = "nobody-of-that-name";'
refused 3 1028 "no such account" nobody-of-that-name adduser
expect 3 "no such account, store init" bh store init
says adduser
write_config relay 'log = { to = "file:/nowhere/log"; };'
refused 1 1005 "no log" /nowhere/log

# ---- the store
write_config relay 'store = { path = "/mnt/empty"; };'
refused 4 1012 "no directory for the store" /mnt/empty
mkdir /mnt/empty
refused 4 1012 "no store in the directory" /mnt/empty "store init"
rm -r /mnt/empty
echo "not a store" >/mnt/file
write_config relay 'store = { path = "/mnt/file"; };'
expect_any_refusal() { # a file where the directory should be: missing or damaged, but said
    local rc=0
    start_daemon >/mnt/out 2>&1 || rc=$?
    out=$(</mnt/out)
    ((rc == 4 || rc == 6)) || fail "a file for a store: $rc $out"
    says /mnt/file
}
expect_any_refusal
echo "ok: a file where the store should be"

write_config
chown root: /mnt/relay.store/STORE
refused 1 1005 "a file of the store that is root's" /mnt/relay.store "chown -R bridgehead: /mnt/relay.store"
chown -R root: /mnt/relay.store
refused 1 1005 "a store that is root's" "is root's" "chown -R bridgehead: /mnt/relay.store"
chown -R bridgehead: /mnt/relay.store
# Two instances, one store: the second is refused by the lock, whatever it thinks of the first.
write_config
write_config other "store = { path = \"/mnt/relay.store\"; };" 'listener = { mx = { protocol = "smtp"; address = "vip"; port = 26; }; };'
start_daemon relay
instance=other
refused 5 1013 "a store owned by another" /mnt/relay.store
instance=relay
expect 5 "the same instance twice" start_daemon relay
says "[1025 "
serving || fail "the first daemon does not serve any more"
stop_daemon

# After a crash, on the same node and boot, nothing has to be waited for.
start_daemon relay --node elsewhere
kill -KILL "$(keeper_pid)"
wait_for 10 "the server to follow its keeper" no_daemon
expect 0 "a dead owner of this node and boot" start_daemon relay --node elsewhere
stop_daemon

long=$(printf 'n%.0s' {1..64})
expect 2 "a node's name that the store has no room for" start_daemon relay --node "$long"
says "1 to 63 bytes"
expect 2 "no node's name" start_daemon relay --node ""
expect 2 "the same for a repair" bh store repair --node "$long"

# ---- ports and addresses
python3 -c '
import socket, time
s = socket.socket(); s.bind(("192.0.2.10", 25)); s.listen()
open("/mnt/taken", "w").close()
time.sleep(600)' &
started $!
wait_for 10 "the port to be taken" test -e /mnt/taken
refused 8 1020 "a port in use" 192.0.2.10 listener.mx "Address already in use"
end_started

# ---- the cluster
write_config relay 'cluster = { mode = "pacemaker"; };'
refused 12 1026 "no corosync" corosync

# ---- the virtual IP
write_config relay 'vip_grace = "1s";'
sink_start
ip addr del $vip/32 dev lo
start_daemon
wait_for 10 "the grace to end" degraded vip-missing
expect 190 "the VIP is absent at start" bh probe
says vip-missing
logged "1601 vip.absent" || fail "no event for the absent VIP"
ip addr add $vip/32 dev lo
wait_for 10 "recovery by itself" serving_state
send 20
wait_for 10 "delivery" drained
ip addr del $vip/32 dev lo
wait_for 10 "the VIP is missed" degraded vip-missing
dots=$(grep -c '"dot"' /mnt/sink)
ip addr add $vip/32 dev lo
wait_for 10 "recovery by itself, again" serving_state
# queued while nothing can be sent: suspended first, so that the mail is there when the VIP leaves
bh connector suspend up >/dev/null
send 20 --tag t
((dots == $(grep -c '"dot"' /mnt/sink))) || fail "something was sent by a suspended connector"
ip addr del $vip/32 dev lo
wait_for 10 "the VIP is missed, with mail" degraded vip-missing
bh connector resume up >/dev/null
expect 0 "retry without the VIP" bh queue retry --selector all
bh status --json | field queue.messages | grep -qx 20 || fail "mail left the queue without the VIP"
((dots == $(grep -c '"dot"' /mnt/sink))) || fail "something was sent without the VIP"
ip addr add $vip/32 dev lo
wait_for 20 "delivery after the VIP came back" drained
# mail that was there before the start
sink_stop
send 20 --tag u
stop_daemon
ip addr del $vip/32 dev lo
sink_start
dots=$(grep -c '"dot"' /mnt/sink)
start_daemon
wait_for 10 "the grace to end, with mail" degraded vip-missing
expect 0 "retry without the VIP since the start" bh queue retry --selector all
bh status --json | field queue.messages | grep -qx 20 || fail "mail left the queue without the VIP"
((dots == $(grep -c '"dot"' /mnt/sink))) || fail "something was sent without the VIP"
ip addr add $vip/32 dev lo
wait_for 20 "delivery once the VIP came" drained
verify
echo "ok: an absent and a leaving VIP"
