#!/usr/bin/env bash
# A real daemon against dialogs, swaks and Postfix's smtp-source: each reply as in the *.dialog
# files, and whatever was acknowledged arrives at the next hop byte for byte, once. Then a thousand
# idle sessions and a message of 100 MB, and what they cost.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
own_host "$@"
ulimit -n 4096 || skip "needs 4096 descriptors"

python() { /usr/bin/python3 "$here/player.py" "$@"; }
mkdir -p /mnt/sent /mnt/got
# clients: only 192.0.2.11 may relay; the dialogs come from the VIP's address but where they say so
write_config relay \
    'relay = { clients = ["192.0.2.11/32"]; domains = ["example.org", "*.example.org"]; };' \
    'limits = { sessions = 2000; sessions_per_client = 0; message_size = "200MiB"; recipients = 100; errors = 20; };'
python sink 127.0.0.1 2525 /mnt/got >/mnt/sink.out &
started $!
wait_for 20 "the sink" grep -q ready /mnt/sink.out
start_daemon
wait_for 20 "the daemon" serving

python play $vip 25 /mnt/sent "$here"/*.dialog || fail "see above"
contents() { (cd "$1" && find . -type f -printf '%f\n' | sed 's/\.[0-9]*$//' | sort -u); }
all_there() { diff <(contents /mnt/sent) <(contents /mnt/got) >/mnt/diff; }
wait_for 60 "what was acknowledged to arrive as it was sent" all_there
! grep -rl "NO RECEIVED FIELD" /mnt/got || fail "a message came without our Received field"

count() { find /mnt/got -type f | wc -l; }
if command -v swaks >/dev/null; then
    printf 'Subject: by swaks\n\n.\n..\nthe end\n' >/mnt/body
    swaks --server $vip --from a@x.example --to swaks@example.org --pipeline --data @/mnt/body \
        >/mnt/swaks || fail "swaks: $(tail -n 5 /mnt/swaks)"
    ! swaks --server $vip --from a@x.example --to user@elsewhere.example >/mnt/swaks ||
        fail "swaks could relay"
    by_swaks() { grep -qr "by swaks" /mnt/got; }
    wait_for 30 "the message of swaks" by_swaks
    grep -rh -A 9 "by swaks" /mnt/got | grep -q '^the end' || fail "cut at a dot"
fi

if command -v smtp-source >/dev/null; then
    before=$(count)
    smtp-source -s 20 -m 400 -l 5000 -f a@x.example -t source@example.org $vip:25
    enough() { (($(count) == before + 400)); }
    wait_for 60 "400 messages of smtp-source, each once" enough
fi

# ---- what it costs
server=$(server_pid)
rss() { awk '/^RssAnon|^RssShmem/ { n += $2 } END { print n }' "/proc/$server/status"; }
sanitized() { grep -q -e __asan_init -e __tsan_init "$(command -v bridgeheadd)"; }
base=$(rss)
mkfifo /mnt/hold
python idle $vip 25 1000 </mnt/hold >/mnt/idle &
started $!
exec 4>/mnt/hold
wait_for 60 "1000 sessions" grep -q ready /mnt/idle
each=$((($(rss) - base) * 1024 / 1000))
exec 4>&-
echo "1000 idle sessions: $each bytes each"
sanitized || ((each < 16384)) || fail "an idle session costs $each bytes"

python large $vip 25 /mnt/sent 100 &
large=$!
peak=0
large_there() {
    local now
    now=$(rss)
    ((now <= peak)) || peak=$now
    find /mnt/got -size +90M | grep -q .
}
wait_for 120 "the large message" large_there
wait $large || fail "the large message was not acknowledged"
echo "a message of 100 MiB: $peak KiB at most"
sanitized || ((peak < 65536)) || fail "it took $peak KiB"
same() { cmp -s "$(find /mnt/got -size +90M)" "$(find /mnt/sent -size +90M)"; }
wait_for 20 "the large message whole" same

stop_daemon
wait_for 20 "the end" no_daemon
rm -rf /mnt/got /mnt/sent /mnt/relay.store
