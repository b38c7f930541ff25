#!/usr/bin/env bash
# Each kind of damage: found and named by the check, survived or refused by the daemon as designed, set aside by the repair; nothing
# damaged is ever sent.
# shellcheck disable=SC2119 # most arguments of daemon.sh are optional
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
ASAN_OPTIONS+=:detect_leaks=0 # store repair changes its account, after which LeakSanitizer may not look at it
own_host "$@"
store=/mnt/relay.store
doc=$tests/../docs/formats/json.md

submit() { # SIZE RECIPIENT: prints the id
    /usr/bin/python3 - "$@" <<'PY'
import smtplib, sys
size, to = int(sys.argv[1]), sys.argv[2]
with smtplib.SMTP("192.0.2.10", 25) as s:
    s.ehlo("client.example.org")
    s.mail("a@one.example")
    s.rcpt(to)
    code, text = s.data(b"Subject: " + to.encode() + b"\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72))
    assert code == 250, text
PY
    bh queue list --json | tail -n 1 | field id
}
# place ID TYPE: "FILE OFFSET" of the message's first record of that type
place() {
    bh store dump --message "$1" --json | /usr/bin/python3 -c 'import json, sys
for line in sys.stdin:
    r = json.loads(line)
    if r.get("type") == sys.argv[1]:
        print("journal/" + r["segment"], r["offset"])
        break' "$2"
}
harm() { "$here/harm" $store "$@"; }
found() { # NUMBER NAME [ID]: the check ends with 6 and has that finding
    expect 6 "check finds $2" bh store check
    says "$1 $2"
    [[ -z ${3:-} ]] || says "message $3"
}
whole() { expect 0 "check: ${1:-nothing is damaged}" bh store check; }
begin() { # a fresh store with three messages of which the second is large
    stop_daemon >/dev/null 2>&1 || true
    rm -rf $store
    mkdir $store
    bh store init --segment 1MiB >/dev/null
    start_daemon
    bh connector suspend up >/dev/null
    one=$(submit 3000 one@two.example)
    two=$(submit 400000 two@two.example)
    three=$(submit 3000 three@two.example)
}
held_is() { [[ $(bh queue show "$1" --json | field held) = "$2" ]]; }
repair() {
    expect 6 "repair without --yes lists its steps" bh store repair --progress
    says "--yes"
    says "100 %"
    expect 0 "repair" bh store repair --yes
    whole "after the repair"
}
is_here() { bh queue list --json | grep -q "\"id\":\"$1\""; }
# serves ID...: exactly these are in the queue
serves() {
    local id

    (($(bh queue list --json | wc -l) == $#)) || fail "not these in the queue: $*: $(bh queue list)"
    for id in "$@"; do is_here "$id" || fail "$id is not in the queue"; done
}

# ---- content: its message is held, the rest serves
write_config
begin
stop_daemon
whole
expect 0 "repair of what is whole" bh store repair --yes
says "nothing is damaged"
read -r file offset < <(place "$two" CONTENT)
harm "$file" $((offset + 100))
found 302 record.damaged
found 401 message.content.damaged "$two"
start_daemon
wait_for 10 "degraded: quarantine-not-empty" degraded quarantine-not-empty
logged "1404 queue.damaged finding=\"record.damaged\"" || fail "the damage is not in the log"
held_is "$two" true || fail "the damaged message is not held"
expect 5 "repair while the daemon runs" bh store repair --yes
sink_start
bh connector resume up >/dev/null
left_one() { (($(bh queue list --json | wc -l) == 1)); }
wait_for 20 "the others to be delivered" left_one
bh queue release "$two" >/dev/null
wait_for 20 "a try to read the damaged content" logged "1406 queue.read.failed"
grep -q "two@two.example" /mnt/sink && fail "the damaged message was delivered"
bh queue export "$two" --output /mnt/damaged.eml >/mnt/out 2>&1 && fail "damaged content was exported"
bh connector suspend up >/dev/null
stop_daemon
repair
begin
stop_daemon
read -r file offset < <(place "$two" CONTENT)
harm "$file" $((offset + 100))
bh store repair --yes --json >/mnt/out
tail -n 1 /mnt/out | "$here/../42-control/fields" "$doc" "store repair"
[[ -s $store/quarantine/$two.eml && -s $store/quarantine/$two.json ]] || fail "not set aside: $(ls $store/quarantine)"
[[ $(field complete <"$store/quarantine/$two.json") = false ]] || fail "said to be complete"
[[ $(stat -c %U "$store/quarantine") = bridgehead ]] || fail "quarantine/ is not the account's"
expect 6 "dump shows what does not validate" bh store dump
cp /mnt/out /mnt/dump
grep -q REPAIRED /mnt/dump || fail "no REPAIRED record"
start_daemon
wait_for 10 "degraded: quarantine-not-empty" degraded quarantine-not-empty
serves "$one" "$three"
expect 1 "import of what is not complete" bh queue import "$store/quarantine/$two.eml"
says "missing"
expect 0 "unless forced" bh queue import "$store/quarantine/$two.eml" --force
serves "$one" "$two" "$three"
stop_daemon
mv $store/quarantine /mnt/set-aside
start_daemon
status_is serving || fail "still degraded: $(bh status)"

# ---- a record's header: the rest of its segment is given up
begin
stop_daemon
read -r file offset < <(place "$three" CONTENT)
harm "$file" $((offset + 9))
found 301 record.header.damaged
expect 6 "dump tells it from a file's rest" bh store dump
says "DOES NOT VALIDATE"
start_daemon
wait_for 10 "degraded: quarantine-not-empty" degraded quarantine-not-empty
serves "$one" "$two"
stop_daemon
repair
start_daemon
serves "$one" "$two"

# ---- a segment's header: nothing of it counts
begin
four=$(submit 1500000 four@two.example)
stop_daemon
read -r file offset < <(place "$four" COMMIT)
harm "$file" 20
found 201 segment.header.damaged
start_daemon
wait_for 10 "degraded: quarantine-not-empty" degraded quarantine-not-empty
is_here "$one" || fail "$one is gone"
stop_daemon
repair
[[ -e $store/quarantine/$(basename "$file") ]] || fail "the segment is not in quarantine/"
[[ ! -e $store/$file ]] || fail "the segment is still in the journal"

# ---- a segment that is not there
begin
big=$(submit 1500000 big@two.example)
stop_daemon
read -r file offset < <(place "$big" CONTENT)
mv "$store/$file" /mnt/lost.seg
found 206 segment.missing
found 402 message.content.missing "$big"
start_daemon
wait_for 10 "degraded: quarantine-not-empty" degraded quarantine-not-empty
held_is "$big" true || fail "a message without its content is not held"
stop_daemon
found 206 segment.missing # and it stays so
mv /mnt/lost.seg "$store/$file"
found 206 segment.missing # a daemon sealed without it: too late
repair
[[ -e $store/quarantine/$(basename "$file") ]] || fail "the segment that came back too late is not in quarantine/: $(ls $store/quarantine)"
[[ ! -e $store/$file ]] || fail "it is still in the journal"
start_daemon
stop_daemon
whole "after another owner"

# ---- nor after a crash: before a daemon starts it is enough to put it back; what nobody refers to is missed as well
begin
big=$(submit 3500000 big@two.example)
submit 3000 four@two.example >/dev/null
crash() {
    local server

    server=$(server_pid)
    kill -KILL "$(keeper_pid)"
    gone() { ! kill -0 "$server" 2>/dev/null; }
    wait_for 10 "the server to go with its keeper" gone
}
bh queue remove "$big" >/dev/null
crash
whole "after the crash"
read -r file offset < <(bh store dump --json | tail -n 1 | /usr/bin/python3 -c 'import json, sys
r = json.loads(sys.stdin.read())
print("journal/" + r["segment"], (r["offset"] + r["length"] + 7 & ~7) + 64)')
harm "$file" "$offset" 100
expect 0 "what is behind the last record is no damage" bh store dump
says " no record "
whole "behind the last record"
segments=$(find $store/journal -name '*.seg' | wc -l)
((segments >= 2)) || fail "$segments segments"
file=journal/$(find $store/journal -name '*.seg' -printf '%f\n' | sort | tail -n 2 | head -n 1)
mv "$store/$file" /mnt/lost.seg
found 206 segment.missing
mv /mnt/lost.seg "$store/$file"
whole "the segment is back"
mv "$store/$file" /mnt/lost.seg
for life in first second; do
    start_daemon
    wait_for 10 "degraded: quarantine-not-empty" degraded quarantine-not-empty
    logged "1404 queue.damaged finding=\"segment.missing\"" || fail "the $life daemon does not log what is missing"
    crash
    found 206 segment.missing
done
repair
start_daemon
stop_daemon
whole "after the repair and another owner"

# ---- a snapshot is a cache: a bad one is a warning, and costs time only
begin
big=$(submit 1500000 big@two.example) # for less a handoff writes none
stop_daemon
whole
snapshot=snapshot/$(find $store/snapshot -name '*.snap' -printf '%f\n' | sort | tail -n 1)
expect 0 "stat shows the snapshots" bh store stat
says "$(basename "$snapshot")"
says "4 messages before"
bh store stat --json | head -n 1 | /usr/bin/python3 -c 'import json, sys; s = json.load(sys.stdin); assert s["counts"] and s["good"] and s["messages"] == 4, s'
harm "$snapshot" 4200
whole "only a cache is damaged"
says "warning 601 snapshot.damaged: $snapshot"
expect 0 "nothing to repair" bh store repair --yes
start_daemon
serves "$one" "$two" "$three" "$big"
stop_daemon
whole "after the daemon wrote another"
! grep -q snapshot.damaged /mnt/out || fail "the bad snapshot is still there"

# ---- files of elsewhere
begin
stop_daemon
cp -r $store /mnt/other.store
rm -rf /mnt/foreign && mkdir /mnt/foreign
write_config foreign "store = { path = \"/mnt/foreign\"; };"
bridgehead --config /mnt/foreign.conf store init --segment 1MiB >/dev/null
start_daemon foreign
stop_daemon foreign
segment=$(basename "$(find /mnt/foreign/journal -name '*.seg' | head -n 1)")
cp "/mnt/foreign/journal/$segment" $store/journal/00000000000000ff-00000009.seg
chown bridgehead: $store/journal/*
found 202 segment.foreign
start_daemon
serves "$one" "$two" "$three"
[[ -e $store/journal/00000000000000ff-00000009.seg ]] || fail "a foreign file was deleted"
stop_daemon
repair
[[ -e $store/quarantine/00000000000000ff-00000009.seg ]] || fail "the foreign segment is not in quarantine/"
start_daemon
serves "$one" "$two" "$three"
stop_daemon
rm -rf $store/quarantine
owner=$(find $store -maxdepth 1 -name 'owner.*' -printf '%f\n' | sort -V | tail -n 1)
cp "$(find /mnt/foreign -maxdepth 1 -name 'owner.*' | head -n 1)" "$store/$owner"
expect 6 "a foreign owner file is refused" start_daemon
bh store check >/mnt/out || true
grep -q "10[34] owner" /mnt/out || fail "the owner file is not found: $(</mnt/out)"
repair
start_daemon
serves "$one" "$two" "$three"
stop_daemon

# ---- the owner file, both slots
rm -rf $store/quarantine
owner=$(find $store -maxdepth 1 -name 'owner.*' -printf '%f\n' | sort -V | tail -n 1)
harm "$owner" 40
harm "$owner" 4136
found 103 owner.damaged
expect 6 "a daemon does not guess who owns the store" start_daemon
repair
start_daemon
serves "$one" "$two" "$three"
stop_daemon
rm -rf $store/quarantine

# ---- other formats, no store
cp $store/STORE /mnt/STORE
harm STORE 40
found 101 store.damaged
expect 6 "a damaged STORE is refused" start_daemon
expect 6 "no repair of STORE" bh store repair --yes
cp /mnt/STORE $store/STORE
harm version STORE 508
found 102 store.newer
expect 6 "a newer STORE is refused" start_daemon
cp /mnt/STORE $store/STORE
segment=$(find $store/journal -name '*.seg' -printf '%f\n' | sort | tail -n 1)
cp "$store/journal/$segment" /mnt/segment
harm version "journal/$segment" 124
found 204 segment.newer
expect 6 "a newer segment is refused" start_daemon
cp /mnt/segment "$store/journal/$segment"
whole
mv $store/STORE /mnt/STORE
expect 4 "no STORE, no store" bh store check
expect 4 "nor for the daemon" start_daemon
expect 4 "nor to stat" bh store stat
expect 4 "nor to dump" bh store dump
expect 4 "nor to repair" bh store repair --yes
cp /mnt/STORE $store/STORE
chown bridgehead: $store/STORE
start_daemon
serves "$one" "$two" "$three"
stop_daemon

# ---- something else in a file's place: no file, so damaged, and nobody waits for a fifo's other end
# (the daemon's own time for a start, and a minute for the tools, are only for giving up)
in_place() { # KIND FILE
    rm -rf "${store:?}/$2"
    case $1 in
    fifo) mkfifo "$store/$2" ;;
    directory) mkdir "$store/$2" ;;
    link) ln -s /nowhere "$store/$2" ;;
    esac
    chown -h bridgehead: "$store/$2"
}
for kind in fifo directory; do
    cp /mnt/STORE /mnt/kept
    in_place $kind STORE
    expect 6 "STORE is a $kind" timeout 60 bridgehead --config /mnt/relay.conf store check
    says "101 store.damaged"
    expect 6 "nor does the daemon take a $kind for it" timeout 60 bridgeheadd --config /mnt/relay.conf
    rm -rf $store/STORE
    cp /mnt/kept $store/STORE
    chown bridgehead: $store/STORE
done
for kind in fifo directory link; do
    rm -rf $store/quarantine
    in_place $kind "$(find $store -maxdepth 1 -name 'owner.*' -printf '%f\n' | sort -V | tail -n 1)"
    expect 6 "the newest owner file is a $kind" timeout 60 bridgehead --config /mnt/relay.conf store check
    says "103 owner.damaged"
    expect 6 "stat with an owner file that is a $kind" timeout 60 bridgehead --config /mnt/relay.conf store stat
    grep -q "^store    [0-9a-f]" <<<"$out" || fail "the uuid is not from STORE: $out"
    [[ $kind = link ]] || expect 6 "the daemon, with a $kind" timeout 60 bridgeheadd --config /mnt/relay.conf
    repair
    start_daemon
    serves "$one" "$two" "$three"
    stop_daemon
done
for kind in fifo directory; do
    rm -rf $store/quarantine
    owner=$(find $store -maxdepth 1 -name 'owner.*' -printf '%f\n' | sort -V | tail -n 1)
    in_place $kind "journal/00000000000000fe-$(printf %08x "${owner#owner.}").seg" # of the last epoch: it counts
    expect 6 "a segment is a $kind" timeout 60 bridgehead --config /mnt/relay.conf store check
    says "201 segment.header.damaged"
    timeout 60 bridgeheadd --config /mnt/relay.conf
    serves "$one" "$two" "$three"
    stop_daemon
    bh store repair --json >/mnt/out && fail "store repair does something without --yes"
    bh store repair --json --yes >>/mnt/out || fail "store repair --json --yes: $(</mnt/out)"
    /usr/bin/python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' </mnt/out || fail "not all of it is JSON: $(</mnt/out)"
    whole
done
bh store repair --json --yes >/mnt/out
[[ $(field damaged </mnt/out) = 0 ]] || fail "store repair of what is whole: $(</mnt/out)"

# ---- names that no owner made cost nobody his numbers
touch $store/journal/0000000000000001-ffffffff.seg $store/journal/00000000000000FF-00000001.seg $store/owner.4000000000 $store/owner.007
touch $store/$'\xff\n'
chown bridgehead: $store/journal/* $store/owner.*
expect 0 "check with names that no owner made" bh store check
says "502 unknown.file: owner.007"
bh store check --json | /usr/bin/python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' || fail "a name of any bytes breaks the JSON"
rm $store/$'\xff\n'
start_daemon
serves "$one" "$two" "$three"
stop_daemon
rm $store/journal/*ffffffff.seg $store/journal/*FF-* $store/owner.4000000000 $store/owner.007
: >$store/journal/000007fffffffffe-00000001.seg
expect 6 "a number behind which there is no room" bh store check
says "move it away"
expect 6 "nor does a daemon go on behind it" start_daemon
rm $store/journal/000007fffffffffe-00000001.seg

# ---- what the tools say has its cure, as a field of its own; nobody is told to take the store for himself
mv $store/STORE /mnt/STORE
bh store check --json >/mnt/out || true
[[ $(field error.cure </mnt/out) = "Mount its filesystem"* ]] || fail "no cure: $(</mnt/out)"
mv /mnt/STORE $store/STORE
expect 13 "dump of a message that is not there" bh store dump --message 99
expect 13 "dump of a segment that is not there" bh store dump --segment ffff
expect 1 "check as somebody else" setpriv --reuid=nobody --regid=nogroup --clear-groups bridgehead --config /mnt/relay.conf store check
says "cure: Run it as root"
echo "nonsense = 1;" >>/mnt/relay.conf
bh store check --json >/mnt/out || true
[[ $(field error.code </mnt/out) = 3 ]] || fail "a fault of the configuration is not in the JSON: $(</mnt/out)"
