#!/usr/bin/env bash
# A real daemon against dialogs, swaks and Postfix's smtp-source: each reply as in the *.dialog
# files, and whatever was acknowledged arrives at the next hop byte for byte, once. Then a thousand
# idle sessions and a message of 100 MB, and what they cost.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
if [[ $(id -u) = 0 && -z ${IN_NAMESPACE:-} ]] && unshare --net true 2>/dev/null; then
    export IN_NAMESPACE=1
    exec unshare --net "$0" "$@"
fi
[[ -z ${IN_NAMESPACE:-} ]] || ip link set lo up
bridgeheadd=$BRIDGEHEAD_BUILD/mta/app/bridgeheadd
bridgehead=$BRIDGEHEAD_BUILD/mta/tools/bridgehead
player=$here/player.py
conf=$scratch/dialogs.conf
port=2525 sink_port=2526
user=$(id -un)
[[ $user != root ]] || user=nobody
ulimit -n 4096 || skip "needs 4096 descriptors"

rm -rf "$scratch"
mkdir -p "$scratch"/{store,sent,got}
sed -e "s|@USER@|$user|; s|@SCRATCH@|$scratch|; s|@PORT@|$port|; s|@SINK_PORT@|$sink_port|" \
    "$here/bridgehead.conf.in" >"$conf"
"$bridgehead" --config "$conf" store init >/dev/null
chown -R "$user" "$scratch"

python3 "$player" sink 127.0.0.1 $sink_port "$scratch/got" >"$scratch/sink" &
started $!
"$bridgeheadd" --config "$conf" --foreground >"$scratch/out" 2>&1 &
daemon=$!
started $daemon

greets() { (exec 3<>/dev/tcp/127.0.0.1/$port && read -r -t 5 line <&3 && [[ $line = 220* ]]) 2>/dev/null; }
wait_for 20 "the sink" grep -q ready "$scratch/sink"
wait_for 20 "the daemon: $(tail -n 3 "$scratch/out" "$scratch/log" 2>&1)" greets
server=$(pgrep -P $daemon)

python3 "$player" play 127.0.0.1 $port "$scratch/sent" "$here"/*.dialog || fail "see above"

# Postmaster's dialog leaves no message; twenty recipients are one, in as many transactions as
# smtp_out likes: so contents are compared as a set, and counted where one recipient was given.
contents() { (cd "$1" && find . -type f -printf '%f\n' | sed 's/\.[0-9]*$//' | sort -u); }
all_there() { diff <(contents "$scratch/sent") <(contents "$scratch/got") >"$scratch/diff"; }
wait_for 60 "what was acknowledged to arrive as it was sent" all_there
! grep -rl "NO RECEIVED FIELD" "$scratch/got" || fail "a message came without our Received field"

if command -v swaks >/dev/null; then
    printf 'Subject: by swaks\n\n.\n..\nthe end\n' >"$scratch/body"
    swaks --server 127.0.0.1:$port --from a@x.example --to swaks@example.org --pipeline \
        --data "@$scratch/body" >"$scratch/swaks" || fail "swaks: $(tail -n 5 "$scratch/swaks")"
    swaks --server 127.0.0.1:$port --from a@x.example --to user@elsewhere.example \
        >"$scratch/swaks" && fail "swaks could relay"
    by_swaks() { grep -qr "by swaks" "$scratch/got"; }
    wait_for 30 "the message of swaks" by_swaks
    grep -rh -A 9 "by swaks" "$scratch/got" | grep -q '^the end' || fail "cut at a dot"
fi

if command -v smtp-source >/dev/null; then
    before=$(find "$scratch/got" -type f | wc -l)
    smtp-source -s 20 -m 400 -l 5000 -f a@x.example -t source@example.org 127.0.0.1:$port
    enough() { (($(find "$scratch/got" -type f | wc -l) == before + 400)); }
    wait_for 60 "400 messages of smtp-source, each once" enough
fi

# ---- what it costs
rss() { awk '/^RssAnon|^RssShmem/ { n += $2 } END { print n }' "/proc/$server/status"; }
sanitized() { grep -q -e __asan_init -e __tsan_init "$bridgeheadd"; }
base=$(rss)
mkfifo "$scratch/hold"
python3 "$player" idle 127.0.0.1 $port 1000 <"$scratch/hold" >"$scratch/idle" &
started $!
exec 4>"$scratch/hold"
wait_for 60 "1000 sessions" grep -q ready "$scratch/idle"
each=$((($(rss) - base) * 1024 / 1000))
exec 4>&-
echo "1000 idle sessions: $each bytes each"
sanitized || ((each < 16384)) || fail "an idle session costs $each bytes"

python3 "$player" large 127.0.0.1 $port "$scratch/sent" 100 &
large=$!
peak=0
large_there() {
    local now
    now=$(rss)
    ((now <= peak)) || peak=$now
    find "$scratch/got" -size +90M | grep -q .
}
wait_for 120 "the large message" large_there
wait $large || fail "the large message was not acknowledged"
echo "a message of 100 MiB: $peak KiB at most"
sanitized || ((peak < 65536)) || fail "it took $peak KiB"
cmp "$(find "$scratch/got" -size +90M)" "$(find "$scratch/sent" -size +90M)"

kill $daemon
wait $daemon || fail "the daemon ended with $?"
rm -rf "$scratch/got" "$scratch/sent" "$scratch/store"
