#!/usr/bin/env bash
# 65-failed-sync - fail-stop: from one moment on the store's filesystem answers every write and sync with EIO. Not one message is
# acknowledged any more, the server ends with exit code 9 and says why, the keeper starts it no second time, and on this boot it
# starts only on a filesystem that was mounted anew.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
[[ -e /dev/fuse ]] || skip "no /dev/fuse here"
own_host "$@"

mkdir /mnt/disk
"$BRIDGEHEAD_BUILD/tests/crash/lossyfs" /mnt/disk --seed 1 --size 256 &
started $!
wait_for 10 "the filesystem" mountpoint -q /mnt/disk
mkdir /mnt/disk/store
write_config relay 'store = { path = "/mnt/disk/store"; reserve = "8MiB"; };'
bh store init --segment 1MiB >/dev/null
start_daemon
bh connector suspend up >/dev/null
send 20
(($(grep -c '"acked"' /mnt/sent) == 20)) || fail "not all was taken: $(tail -n 1 /mnt/sent)"

# The power of the disk alone: whoever has its files open gets EIO (tests/crash/lossyfs.c).
/usr/bin/python3 -c 'import os; os.setxattr("/mnt/disk", "user.cut", b"1")'
send 5 --tag after || true
(($(grep -c '"acked"' /mnt/sent) == 20)) || fail "acknowledged after a failed write: $(grep after /mnt/sent)"
wait_for 30 "the daemon to end" no_daemon
logged "1401 queue.failed" || fail "queue.failed is not in the log"
logged "1005 app.failed code=9" || fail "the server did not end with code 9"
logged "1023 keeper.gives.up code=9" || fail "the keeper did not give up"
(($(grep -c "1000 app.started process=\"server\"" /mnt/relay.log) == 1)) || fail "the server was started again"
expect 7 "a probe afterwards" bh probe

expect 9 "a start on the same mount" start_daemon
says "unmount and mount"
expect 7 "a probe after that" bh probe
