#!/usr/bin/env bash
# 64-checkpoint-abuse - TRANSIDs of somebody else's, too long, too many, twice at once: nobody's mail is swallowed, and what
# is remembered is bounded.
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
own_host "$@"
ip addr add 198.51.100.7/32 dev lo # may not relay

sink_start
write_config relay 'relay = { clients = ["192.0.2.0/24"]; domains = ["lab.example"]; };' 'limits = { sessions_per_client = 0; };'
start_daemon
wait_for 10 "serving" serving
cat >/mnt/abuse.py <<'PY'
import smtplib, sys


class Client(smtplib.SMTP):
    def __init__(self, source, name="peer.example"):
        super().__init__("192.0.2.10", 25, source_address=(source, 0))
        self.ehlo(name)

    def say(self, line):
        return self.docmd(line)[0]

    def mail(self, name):
        return self.say(f"MAIL FROM:<a@x.example> TRANSID={name}")

    def whole(self, name, to, text=b"Subject: x\r\n\r\nbody\r\n"):
        codes = [self.mail(name), self.say(f"RCPT TO:<{to}@lab.example>"), self.say("DATA")]
        self.send(text + b".\r\n")
        return codes + [self.getreply()[0]]


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got}, not {want}")
    print("ok:", what, got)


a, b, stranger = Client("192.0.2.10"), Client("192.0.2.11"), Client("198.51.100.7")
same("offered to a peer", a.has_extn("checkpoint"), True)
same("not to a stranger", (stranger.has_extn("checkpoint"), stranger.mail("<1@s>")), (False, 555))

# b was first with a's name; a's mail is taken all the same, and once
same("the forger's", b.whole("<1@a>", "m-1"), [250, 250, 354, 250])
same("its owner's", a.whole("<1@a>", "m-2"), [250, 250, 354, 250])
same("its owner's again", a.whole("<1@a>", "m-2", b""), [355, 250, 354, 250])
same("for another recipient", a.mail("<1@a>"), 355)
same("who was not in it", a.say("RCPT TO:<m-3@lab.example>"), 451)
a.rset()
same("another name in EHLO", Client("192.0.2.10", "other.example").whole("<1@a>", "m-4"), [250, 250, 354, 250])

for name in ("1@a", "<1a>", "<@>", "<1@a@b>", "<1@a", "<" + "x" * 80 + "@a>", "<1@\\a>", "<a b@c>", ""):
    same(f"no name: {name[:12]!r}", a.mail(name) in (501, 555), True)
same("longer than a line may be", a.mail("<" + "x" * 4000 + "@a>"), 500)
a.rset()

# one name in two sessions at once: one of them is told to come again
c, d = Client("192.0.2.10"), Client("192.0.2.10")
for s in (c, d):
    same("begun", [s.mail("<2@a>"), s.say("RCPT TO:<m-5@lab.example>"), s.say("DATA")], [250, 250, 354])
for s in (c, d):
    s.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
same("one of two", sorted(s.getreply()[0] for s in (c, d)), [250, 451])

# whose client goes on needs no memory beyond the message, however many they are
same("a last one", Client("192.0.2.10").whole("<last@a>", "m-6"), [250, 250, 354, 250])
for n in range(1000):
    if a.whole(f"<{n}@many>", f"n-{n}") != [250, 250, 354, 250]:
        sys.exit(f"number {n} was not taken")
same("the last of many", a.whole("<999@many>", "n-999", b""), [355, 250, 354, 250])
same("the last one of before", a.mail("<last@a>"), 355)

for n in range(200):  # whose does not
    e = Client("192.0.2.10")
    if e.whole(f"<{n}@last>", f"l-{n}") != [250, 250, 354, 250]:
        sys.exit(f"number {n} of the last was not taken")
    e.close()
PY
/usr/bin/python3 /mnt/abuse.py || fail "see above"
wait_for 20 "an empty queue" drained
for id in m-1 m-2 m-4 m-5 m-6 n-0 n-999 l-0 l-199; do
    [[ $(grep -c "\"ev\":\"dot\".*\"id\":\"$id\"" /mnt/sink) = 1 ]] || fail "$id did not come once"
done
if grep -q '"id":"m-3"' /mnt/sink; then fail "m-3 was never accepted"; fi

echo "what is remembered is bounded, and outlives a crash"
slots=$((1048576 / 12288))
old=$(server_pid)
kill -KILL "$old"
anew() { [[ $(server_pid) != "$old" ]] && serving; }
wait_for 20 "a new server" anew
/usr/bin/python3 - $slots <<'PY' || fail "what is remembered is not what it should be"
import smtplib, sys
known = []
for n in range(200):
    if n % 20 == 0:  # a client who never sends anything is sent away
        s = smtplib.SMTP("192.0.2.10", 25, source_address=("192.0.2.10", 0))
        s.ehlo("peer.example")
    known.append(s.docmd(f"MAIL FROM:<a@x.example> TRANSID=<{n}@last>")[0] == 355)
    s.rset()
print("known:", sum(known))
sys.exit(0 if sum(known) == int(sys.argv[1]) and known.index(True) > 70 else 1)  # in the order in which they left
PY
stop_daemon
sink_stop
echo "all as it should be"
