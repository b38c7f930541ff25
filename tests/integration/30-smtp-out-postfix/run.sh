#!/usr/bin/env bash
# A real Postfix takes our mail: whole, 8-bit, dots, several recipients, refusals for now and for
# ever, its SIZE, a server without extensions, a kept session. A Postfix of the host is not touched:
# this one has its own configuration, queue and network.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
command -v postfix >/dev/null || skip "postfix is not installed"
own_host "$@"

postfix=192.0.2.20
ip addr add $postfix/32 dev lo

# /etc/postfix stays as it is; all that Postfix writes is below /mnt/postfix.
write_postfix() {
    local dir=/mnt/postfix

    postfix_own $dir
    mkdir -p $dir/mail
    chown nobody $dir/mail
    cat >>$dir/conf/main.cf <<CONF
inet_interfaces = $postfix
mynetworks = 192.0.2.0/24
smtpd_peername_lookup = no
virtual_mailbox_domains = ok.test, old.test
virtual_mailbox_base = $dir/mail
virtual_mailbox_maps = texthash:$dir/conf/boxes
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
virtual_minimum_uid = 1
smtpd_recipient_restrictions = check_recipient_access texthash:$dir/conf/access, permit_mynetworks, reject
message_size_limit = 8000000
virtual_mailbox_limit = 0
mailbox_size_limit = 0
queue_minfree = 0
notify_classes =
CONF
    cat >$dir/conf/boxes <<CONF
a@ok.test a/
b@old.test b/
later@ok.test later/
sender@ok.test sender/
CONF
    echo 'later@ok.test 450 4.7.1 come back later' >$dir/conf/access
    cat >$dir/conf/master.cf <<CONF
$postfix:25 inet n - n - - smtpd
$postfix:26 inet n - n - - smtpd
    -o smtpd_discard_ehlo_keywords=pipelining,8bitmime,size,enhancedstatuscodes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
virtual unix - n n - - virtual
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
CONF
}
# mail SIZE FROM TO...: a message of about SIZE bytes whose body has dots, 8-bit and long lines;
# its body is left in /mnt/body
mail() {
    python3 - "$@" <<'PYTHON'
import smtplib, sys
size, sender, to = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
body = b".\r\n..\r\n.a\r\ngr\xc3\xbc\xc3\x9fe\r\n" + b"x" * 900 + b"\r\n"
line = b"." + b"y" * 76 + b"\r\n"
body += line * max(0, (size - len(body)) // len(line)) + b"the end.\r\n"
with smtplib.SMTP("192.0.2.10", 25, "client.test", source_address=("192.0.2.11", 0)) as smtp:
    smtp.ehlo()
    smtp.sendmail(sender, to, b"From: sender@ok.test\r\nSubject: test\r\n\r\n" + body,
                  ["BODY=8BITMIME"])
open("/mnt/body", "wb").write(body.replace(b"\r\n", b"\n"))
PYTHON
}
boxed() { find "/mnt/postfix/mail/$1/new" -type f 2>/dev/null | wc -l; }
has_boxed() { [[ $(boxed "$1") -ge $2 ]]; }
newest() { find "/mnt/postfix/mail/$1/new" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2; }
# The newest message of a box has the body we sent.
same_body() {
    sed '1,/^$/d' "$(newest "$1")" | cmp -s - /mnt/body || fail "the body in $1's box is another"
}

write_postfix
postfix -c /mnt/postfix/conf start >/mnt/postfix/start.log 2>&1 || fail "postfix: $(cat /mnt/postfix/start.log)"
started "$(tr -d ' ' </mnt/postfix/queue/pid/master.pid)" # its children end with it
wait_for 30 "postfix" listens 26
write_config relay \
    "connector = { up = { protocol = \"smtp\"; next_hop = [\"[$postfix]:25\"]; };
                   old = { protocol = \"smtp\"; next_hop = [\"[$postfix]:26\"]; }; };" \
    'route = ( { to = "*"; via = ["up"]; }, { to = "old.test"; via = ["old"]; } );'
start_daemon
wait_for 20 "serving" serving

mail 2000 sender@ok.test a@ok.test
wait_for 30 "a message in a's box" has_boxed a 1
same_body a
grep -q "from unknown\[192.0.2.10\]" /mnt/postfix/maillog || fail "Postfix saw another address than the VIP"
echo "ok: a message arrives whole, from the VIP"

mail 2000 sender@ok.test b@old.test
wait_for 30 "a message in b's box" has_boxed b 1
same_body b
echo "ok: a server without PIPELINING, SIZE and 8BITMIME"

mail 5000000 sender@ok.test a@ok.test
wait_for 60 "a large message in a's box" has_boxed a 2
same_body a
echo "ok: 5 MB"

mail 2000 sender@ok.test a@ok.test nobody@ok.test
wait_for 30 "a message in a's box" has_boxed a 3
wait_for 30 "a notification in the sender's box" has_boxed sender 1
grep -q "^Final-Recipient: rfc822; *nobody@ok.test" "$(newest sender)" || fail "the notification names no recipient"
grep -q "^Status: 5.1.1" "$(newest sender)" || fail "the notification has another status than Postfix's"
echo "ok: one of two recipients does not exist: one delivery, one notification"

mail 9000000 sender@ok.test a@ok.test
wait_for 60 "a notification in the sender's box" has_boxed sender 2
grep -q "^Status: 5.3.4" "$(newest sender)" || fail "too large, and not 5.3.4"
echo "ok: larger than Postfix takes"

mail 2000 sender@ok.test later@ok.test
wait_for 30 "a deferral" logged 'delivery.deferred.*later@ok.test.*450 4.7.1'
: >/mnt/postfix/conf/access
postfix -c /mnt/postfix/conf reload >/dev/null 2>&1
wait_for 60 "the deferred message" has_boxed later 1
same_body later
echo "ok: refused for now, delivered later"

for _ in $(seq 20); do
    mail 2000 sender@ok.test a@ok.test
done
wait_for 60 "20 messages" has_boxed a 23
[[ $(boxed a) -eq 23 ]] || fail "$(boxed a) messages in a's box, not 23"
stop_daemon
[[ $(bh store stat --json 2>/dev/null | field messages 2>/dev/null || echo 0) = 0 ]] || fail "something is left in the queue"
echo "ok: each exactly once, and nothing is left"
