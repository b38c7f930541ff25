#!/usr/bin/env bash
# A real Postfix hands its mail to us: dots, 8-bit, many recipients, a null sender, a recipient that
# we refuse, a message that is larger than our SIZE. What we acknowledged arrives whole and once. A
# Postfix of the host is not touched: this one has its own configuration, queue and network.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
command -v postfix >/dev/null || skip "postfix is not installed"
own_host "$@"

dir=/mnt/postfix
write_postfix() {
    postfix_own $dir
    cat >>$dir/conf/main.cf <<CONF
inet_interfaces = loopback-only
smtp_bind_address = 192.0.2.11
relayhost = [$vip]:25
message_size_limit = 0
mailbox_size_limit = 0
queue_minfree = 0
notify_classes =
CONF
    cat >$dir/conf/master.cf <<CONF
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
CONF
}

# hand SENDER TO... <CONTENT: to Postfix
hand() {
    local sender=$1

    shift
    sendmail -C $dir/conf -i -f "$sender" "$@"
}
in_maillog() { grep -q -- "$1" $dir/maillog; }
# count TEXT: messages at the sink that have it
count() { (grep -rlaF -- "$1" /mnt/got || true) | wc -l; }
arrived() { (($(count "$1") == $2)); }

mkdir -p /mnt/got
write_config relay 'relay = { clients = ["192.0.2.11/32"]; };' \
    'limits = { message_size = "1MiB"; };'
/usr/bin/python3 "$here/../20-smtp-dialogs/player.py" sink 127.0.0.1 2525 /mnt/got >/mnt/sink.out &
started $!
wait_for 20 "the sink" grep -q ready /mnt/sink.out
start_daemon
wait_for 20 "the daemon" serving
write_postfix
postfix -c $dir/conf start >/mnt/postfix.out 2>&1 || fail "postfix: $(</mnt/postfix.out)"
trap 'postfix -c $dir/conf stop >/dev/null 2>&1; end_daemons' EXIT

printf 'Subject: body\nX-Test: whole\n\n.\n..\n.a\ngr\xc3\xbc\xc3\x9fe\nthe end\n' >/mnt/body
hand a@x.test user@y.test </mnt/body
wait_for 30 "a message" arrived "X-Test: whole" 1
grep -rhaF -A 10 "X-Test: whole" /mnt/got | tr -d '\r' | sed -n '/^$/,$p' >/mnt/body.got
sed -n '/^$/,$p' /mnt/body | cmp - /mnt/body.got || fail "the body changed"
echo "ok: a message arrives whole"

printf 'X-Test: null\n\nx\n' | hand '<>' user@y.test
wait_for 30 "the one without a sender" arrived "X-Test: null" 1
logged 'smtp.in.accepted.* from=""' || fail "the null sender was not kept"
echo "ok: a null sender"

recipients=()
for n in $(seq 200); do
    recipients+=("u$n@y.test")
done
printf 'X-Test: many\n\nx\n' | hand a@x.test "${recipients[@]}"
many() {
    local delivered
    delivered=$(grep -c 'delivery.delivered.* rcpt="u[0-9]*@y.test"' /mnt/relay.log || true)
    ((delivered == 200))
}
wait_for 30 "200 recipients, each once" many
echo "ok: 200 recipients, in transactions of at most 50"

{
    printf 'X-Test: large\n\n'
    for n in $(seq 40000); do
        echo "$n: a line of a message that is too large for the server"
    done
} >/mnt/large
hand a@x.test user@y.test </mnt/large
wait_for 30 "the refusal of a large message" in_maillog 'status=bounced.*size'
echo "ok: larger than SIZE"

for n in $(seq 300); do
    printf 'X-Test: burst\n\n%s\n' "$n" | hand a@x.test user@y.test
done
wait_for 120 "a burst" arrived "X-Test: burst" 300
echo "ok: 300 in a burst, each once"

# a daemon that goes and comes back: Postfix waits, nothing is lost
stop_daemon
wait_for 20 "the end" no_daemon
printf 'X-Test: meanwhile\n\nx\n' | hand a@x.test user@y.test
wait_for 30 "a deferral" in_maillog 'status=deferred.*refused'
start_daemon
wait_for 20 "the daemon" serving
postqueue -c $dir/conf -f
wait_for 30 "what waited" arrived "X-Test: meanwhile" 1
echo "ok: down and up again"

sed -i 's|192.0.2.11/32|192.0.2.99/32|' /mnt/relay.conf
bh reload
printf 'X-Test: denied\n\nx\n' | hand a@x.test user@y.test
wait_for 30 "a refusal" in_maillog 'said: 550 5.7.1'
arrived "X-Test: denied" 0 || fail "an open relay"
echo "ok: no relay for strangers, after a reload"
