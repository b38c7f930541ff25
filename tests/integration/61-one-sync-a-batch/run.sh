#!/usr/bin/env bash
# 61-one-sync-a-batch - what the kernel sees of the journal: every batch is written and synced once, and one batch holds
# what many sessions have to say.
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
command -v strace >/dev/null || skip "strace is not installed"
own_host "$@"

# syncs: fdatasync of segments, by the trace; in the making they have another name
syncs() { grep -c 'fdatasync([0-9]*</mnt/relay.store/journal/[0-9a-f]*-[0-9a-f]*\.seg>' /mnt/trace || true; }
journal() { bh status --json | field "journal.$1"; }

write_config
sink_start
start_daemon
wait_for 10 "serving" serving
strace -f -y -e trace=fdatasync -o /mnt/trace -p "$(server_pid)" 2>/mnt/strace.err &
tracer=$!
started $tracer
wait_for 20 "strace" grep -q attached /mnt/strace.err
batches=$(journal batches)
own=$(journal syncs)
seen=$(syncs)
send 2000 --sessions 100 --rate 4000
verify
wait_for 20 "an empty queue" drained
batches=$(($(journal batches) - batches))
own=$(($(journal syncs) - own))
kill "$tracer"
wait "$tracer" || true
ended "$tracer"
seen=$(($(syncs) - seen))
segments=$(grep -o '[0-9a-f]*-[0-9a-f]*\.seg' /mnt/trace | sort -u | wc -l)
echo "$seen syncs of segments seen, $own counted, $batches batches, $segments segments"
((seen > 0)) || fail "strace saw nothing"
# one more where a batch goes on in the next segment; one may have been under way at either end
((seen <= batches + segments + 1)) || fail "more syncs than batches"
((seen <= own + 1 && own <= seen + 1)) || fail "the counters are wrong"
# content and commit, the attempt, the outcome: three batches if every message had its own
((seen < 3 * 2000)) || fail "no two messages share a batch"
