#!/usr/bin/env bash
# queue export, remove, import: byte-equal content, the same envelope, never twice; and files that are not whole.
# shellcheck disable=SC2119 # most arguments of daemon.sh are optional
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
own_host "$@"

# submit COUNT SIZE: one message to COUNT recipients; prints the id
submit() {
    /usr/bin/python3 - "$@" <<'PY'
import smtplib, sys
count, size = int(sys.argv[1]), int(sys.argv[2])
with smtplib.SMTP("192.0.2.10", 25) as s:
    s.ehlo("client.example.org")
    code, text = s.docmd("MAIL", "FROM:<a@one.example> BODY=8BITMIME")
    assert code == 250, text
    for i in range(count):
        code, text = s.docmd("RCPT", f"TO:<r{i}@two.example>")
        assert code == 250, text
    code, text = s.data(b"Subject: t\r\n\r\n" + bytes(range(128, 256)) + b"\r\n" + b".dots\r\n" + (b"x" * 70 + b"\r\n") * (size // 72))
    assert code == 250, text
PY
    bh queue list --json | tail -n 1 | field id
}
# shown ID: the envelope as queue show has it, without what a delivery changes
shown() {
    bh queue show "$1" --json | /usr/bin/python3 -c 'import json, sys
m = json.load(sys.stdin)
for key in ["held", "store"]: m.pop(key)
for r in m["recipients"]:
    for key in ["state", "attempts", "next", "last_reply", "connector", "destination"]: r.pop(key)
print(json.dumps(m, sort_keys=True))'
}
gone() { ! bh queue list --json | grep -q "\"id\":\"$1\""; }
remove() {
    expect 0 "remove $1" bh queue remove "$1"
    wait_for 10 "the removed message to go" gone "$1"
}

write_config relay "limits = { recipients = 2000; };"
start_daemon
bh connector suspend up >/dev/null

# ---- out and in again, beside a restart: the same id
id=$(submit 3 200000)
expect 0 "hold" bh queue hold "$id"
expect 0 "export" bh queue export "$id" --output /mnt/out.eml
[[ $(field complete </mnt/out.json) = true ]] || fail "the envelope: $(</mnt/out.json)"
shown "$id" >/mnt/before
stop_daemon
start_daemon
expect 1 "a duplicate is refused" bh queue import /mnt/out.eml
says "still in the queue"
remove "$id"
# two at once, which --force allows: one of them has the old id
/usr/bin/python3 - /mnt/out.json >/mnt/both <<'PY' || fail "two imports at once: $(</mnt/both)"
import ctypes, json, struct, sys
qb = ctypes.CDLL("libqb.so.100", use_errno=True)
qb.qb_ipcc_connect.restype = ctypes.c_void_p
qb.qb_ipcc_connect.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
qb.qb_ipcc_send.argtypes = qb.qb_ipcc_recv.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
qb.qb_ipcc_recv.argtypes += [ctypes.c_int32]
conn = qb.qb_ipcc_connect(b"bridgehead-relay", 256 * 1024)
def ask(command, **args):
    text = json.dumps({"command": command, "args": args}).encode()
    question = struct.pack("<qiIIi", 1, 24 + len(text), 1, len(text), 0) + text
    qb.qb_ipcc_send(conn, question, len(question))
    answer = ctypes.create_string_buffer(256 * 1024)
    n = qb.qb_ipcc_recv(conn, answer, len(answer), 10000)
    return json.loads(answer.raw[answer.raw.index(b"{"):n])
envelope = json.load(open(sys.argv[1]))
envelope.pop("recipients")
ids = [ask("queue import open", envelope=envelope, force=True, hold=False) for _ in range(2)]
print(ids)
for i in ids: ask("queue import abort", **{"import": i["import"]})
sys.exit(ids[0]["id"] != envelope["id"] or ids[1]["id"] == ids[0]["id"])
PY
expect 0 "import" bh queue import /mnt/out.eml --hold
says "imported as $id"
shown "$id" | cmp - /mnt/before || fail "the envelope is another: $(shown "$id")"
[[ $(bh queue show "$id" --json | field held) = true ]] || fail "not held"
expect 0 "export of what came back" bh queue export "$id" --output /mnt/again.eml
cmp /mnt/out.eml /mnt/again.eml || fail "the content is another"
expect 1 "a second import is refused" bh queue import /mnt/out.eml
expect 0 "unless forced" bh queue import /mnt/out.eml --force --json
other=$(field id <<<"$out")
[[ $other != "$id" ]] || fail "forced, with the same id"
remove "$other"

# ---- it survives a crash, and an id of this epoch is not given again
kill -KILL "$(server_pid)"
wait_for 20 "the server again" serving
shown "$id" | cmp - /mnt/before || fail "after a crash: $(shown "$id")"
new=$(submit 2 3000)
expect 0 "export of a new one" bh queue export "$new" --output /mnt/new
[[ -s /mnt/new.json ]] || fail "no /mnt/new.json"
remove "$new"
expect 0 "import of a new one" bh queue import /mnt/new --json
copy=$(field id <<<"$out")
expect 1 "which is known as well" bh queue import /mnt/new
says "still in the queue, as $copy"
bh queue export "$copy" | cmp - /mnt/new || fail "the content is another"

# ---- files that are not what they should be
expect 1 "no such file" bh queue import /mnt/nothing.eml
cp /mnt/out.eml /mnt/alone.eml
expect 1 "no envelope" bh queue import /mnt/alone.eml
says "/mnt/alone.json"
bad() { # WHAT JSON-EXPRESSION SAYS: the envelope changed so
    cp /mnt/new /mnt/bad.eml
    /usr/bin/python3 -c 'import json, sys
e = json.load(open("/mnt/new.json"))
exec(sys.argv[1])
json.dump(e, open("/mnt/bad.json", "w"))' "$2"
    expect 1 "$1" bh queue import /mnt/bad.eml
    says "$3"
}
bad "another format" 'e["format"] = "x"' "no envelope"
bad "a newer version" 'e["version"] = 9' "newer release"
bad "no recipients" 'e["recipients"] = []' "no recipients"
bad "a bad recipient" 'e["id"] = "1"; e["recipients"][0]["address"] = "no address"' "recipient"
bad "a bad sender" 'e["id"] = "1"; e["sender"] = "<>"' "sender"
bad "another checksum" 'e["crc32c"] += 1' "not the one that its envelope describes"
bad "another size" 'e["size"] += 1' "not the one that its envelope describes"
bad "what is not complete" 'e["complete"] = False' "missing"
echo "{" >/mnt/bad.json
expect 1 "no JSON" bh queue import /mnt/bad.eml
says "not JSON"
# an id of the future is a stranger's, or forged: it gets a new one
/usr/bin/python3 -c 'import json
e = json.load(open("/mnt/new.json"))
e["id"] = "7fffff0000000001"
json.dump(e, open("/mnt/bad.json", "w"))'
expect 0 "an id of the future" bh queue import /mnt/bad.eml --json
[[ $(field id <<<"$out") != 7FFFFF0000000001 ]] || fail "the forged id was taken"
expect 0 "any file with a given envelope" bh queue import /mnt/alone.eml --sender s@one.example --recipient x@two.example
expect 2 "a sender without recipients" bh queue import /mnt/alone.eml --sender s@one.example

# what DSN says of a message comes back as well
/usr/bin/python3 -c 'import json
e = json.load(open("/mnt/new.json"))
e["id"] = "1"
e["envid"] = "env+2B1"
e["recipients"][0].update(orcpt="rfc822;B+2Bx@two.example", notify=6)
json.dump(e, open("/mnt/bad.json", "w"))'
expect 0 "an envelope with ENVID, ORCPT and NOTIFY" bh queue import /mnt/bad.eml --json
dsn=$(field id <<<"$out")
bh queue show "$dsn" --json >/mnt/out.dsn
[[ $(field envid </mnt/out.dsn) = env+2B1 ]] || fail "ENVID: $(</mnt/out.dsn)"
[[ $(field recipients.0.orcpt </mnt/out.dsn) = "rfc822;B+2Bx@two.example" ]] || fail "ORCPT: $(</mnt/out.dsn)"
[[ $(field recipients.0.notify </mnt/out.dsn) = 6 ]] || fail "NOTIFY: $(</mnt/out.dsn)"

# ---- more recipients than one answer holds
many=$(submit 1500 300)
[[ $(bh queue show "$many" --json | /usr/bin/python3 -c 'import json, sys
print(len({r["address"] for r in json.load(sys.stdin)["recipients"]}))') = 1500 ]] || fail "queue show does not have all recipients"
expect 0 "export with 1500 recipients" bh queue export "$many" --output /mnt/many.eml
shown "$many" >/mnt/before
stop_daemon
start_daemon
remove "$many"
expect 0 "import with 1500 recipients" bh queue import /mnt/many.eml
shown "$many" | cmp - /mnt/before || fail "the envelope of 1500 recipients is another"

# ---- and all of it is delivered
sink_start
expect 0 "release" bh queue release --selector state=held
bh connector resume up >/dev/null
bh queue retry --selector all >/dev/null || true
wait_for 60 "an empty queue" drained
