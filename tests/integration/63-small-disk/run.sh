#!/usr/bin/env bash
# 63-small-disk - a filesystem of 64 MiB, most of it in use by mail that waits and by the reserve, and one crash after the
# other: each owner leaves a segment partly filled, and the bound on the journal is larger than the disk. New mail is
# taken all the same; and where the disk is full in earnest it is refused, and what is left is delivered. Then root fills
# it to its last block (of ext4, whose reserved blocks get what is freed; tmpfs where there are no loop devices): the next
# owner finds what it needs ready, and delivers; with room again mail is taken.
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
own_host "$@"

CHANGES=25
# refused: of all messages so far, by an answer
refused() { grep -c '"refused"' /mnt/sent || true; }
crash() {
    local keeper server

    keeper=$(keeper_pid)
    server=$(server_pid)
    kill -KILL "$keeper" # the server goes with it
    wait_for 10 "the end of the keeper" process_gone "$keeper"
    wait_for 10 "the end of the server" process_gone "$server"
}

mount_small() {
    local type=ext4

    truncate --size 80M /mnt/small.img
    mkfs.ext4 -q -F /mnt/small.img
    if ! mount -o loop /mnt/small.img /mnt/small 2>/dev/null; then
        type=tmpfs
        mount -t tmpfs -o size=64m none /mnt/small
    fi
    echo "ok: $type of $(df --output=avail -k /mnt/small | tail -n 1) KiB"
}
# to the last block, as root
fill() {
    dd if=/dev/zero of=/mnt/small/fill bs=64k oflag=append conv=notrunc 2>/dev/null || true
    dd if=/dev/zero of=/mnt/small/fill bs=4k oflag=append conv=notrunc 2>/dev/null || true
    sync --file-system /mnt/small
}

mkdir /mnt/small
mount_small
mkdir /mnt/small/store
store='store = { path = "/mnt/small/store"; reserve = "8MiB"; snapshot = "16MiB"; };'
write_config relay "$store"
chown bridgehead: /mnt/small/store
bh store init --segment 2MiB >/dev/null
start_daemon
wait_for 10 "serving" serving

# others take the disk: a message that says that it is longer than what is left is refused, and the state says so
offer() { # BYTES: what MAIL is answered
    local answer

    exec 5<>/dev/tcp/$vip/25
    printf 'EHLO client\r\n' >&5
    while read -r answer <&5 && [[ $answer != "250 "* ]]; do :; done
    printf 'MAIL FROM:<a@example.org> SIZE=%d\r\n' "$1" >&5
    read -r answer <&5
    exec 5>&-
    echo "$answer"
}
fallocate --length 40M /mnt/small/others
no_room() { [[ $(offer 30000000) = "452 4.3.1 "* ]]; } # the daemon looks at the disk now and then
wait_for 10 "a refusal" no_room
degraded disk-full || fail "the state does not say why: $(bh status)"
[[ $(bh status) = *"disk-full: "*"make room there"* ]] || fail "nor what to do: $(bh status)"
logged "1413 queue.no-room" || fail "no event for what is refused"
[[ $(offer 1000) = "250 "* ]] || fail "1 kB has no room: $(offer 1000)"
degraded disk-full || fail "30 MB have no room still, but the state says nothing: $(bh status)"
write_config relay "$store limits = { message_size = \"10MiB\"; };"
expect 0 "a reload by which nothing so long comes any more" bh reload
wait_for 10 "serving" serving_state
write_config relay "$store"
expect 0 "a reload by which it comes" bh reload
no_room || fail "30 MB have room: $(offer 30000000)"
degraded disk-full || fail "the state does not say why: $(bh status)"
rm /mnt/small/others
wait_for 10 "serving" serving_state
[[ $(offer 30000000) = "250 "* ]] || fail "30 MB have no room: $(offer 30000000)"
echo "ok: too little room for a message of a known length shows in the state as long as it lasts"

bh connector suspend up
send 1000 --size 24000 --tag base
for ((change = 1; change <= CHANGES; change++)); do
    crash
    start_daemon
    wait_for 10 "serving" serving
    send 5 --size 2000 --tag "c$change"
done
[[ $(refused) = 0 ]] || fail "$(refused) messages were refused"
! logged queue.space.low || fail "the reserve was in use"
bh status --json >/mnt/status
echo "ok: $CHANGES crashes: living $(field queue.live_bytes </mnt/status), journal $(field queue.journal_bytes </mnt/status)," \
    "copied by the last owner $(field queue.copied_bytes </mnt/status) bytes"

send 2000 --size 24000 --tag full
(($(refused) > 0)) || fail "48 MB more had room on a disk of 64 MiB"
wait_for 10 "degraded" degraded reserve-in-use
echo "ok: full: $(refused) messages are refused"
sink_start
bh connector resume up
wait_for 60 "an empty queue" drained
wait_for 20 "serving" serving_state
send 20 --tag after

bh connector suspend up
before=$(refused)
fill
send 2000 --size 24000 --tag last
(($(refused) > before)) || fail "48 MB had room where there was none"
crash
start_daemon
wait_for 10 "another owner on a full disk" degraded reserve-in-use
bh connector resume up
wait_for 60 "an empty queue on a full disk" drained
echo "ok: filled to the last block: $(($(refused) - before)) messages are refused, and another owner delivered the others"

# And again and again, while root takes what each of them frees: each start takes an owner file and a first segment of the
# reserve, or two segments once these are gone. With the last one gone the next start says so, and leaves nothing behind.
for ((starts = 0; starts < 20; starts++)); do
    crash
    fill
    start_daemon 2>/dev/null || break
done
((starts < 20)) || fail "starts without an end, of nothing"
before=$(find /mnt/small/store | sort)
expect 9 "a start without room" start_daemon
says "The disk is full: make room for one segment"
[[ $(find /mnt/small/store | sort) = "$before" ]] || fail "it left something behind: $(find /mnt/small/store)"
echo "ok: $starts starts in a row that found nothing but the reserve"
rm /mnt/small/fill
start_daemon
wait_for 20 "serving" serving_state
send 20 --tag room
verify
changes=$(grep -c 'queue.space.low' /mnt/relay.log)
echo "ok: all that was accepted was delivered, and new mail is taken; low $changes times"
