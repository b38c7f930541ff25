#!/usr/bin/env bash
# The operator's command: each command, its --json against docs/formats/json.md, selections, refusals, permissions.
# shellcheck disable=SC2119 # most arguments of daemon.sh are optional
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
own_host "$@"
doc=$tests/../docs/formats/json.md

fields() { # WHAT COMMAND...: its --json has the fields of the document's row WHAT
    local what=$1

    shift
    "$@" --json >/mnt/out 2>&1 || fail "$* --json: $(</mnt/out)"
    "$here/fields" "$doc" "$what" </mnt/out
}
# submit FROM TO [SIZE]: prints the id
submit() {
    /usr/bin/python3 - "$@" <<'PY'
import smtplib, sys
sender, to, size = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 300
with smtplib.SMTP("192.0.2.10", 25) as s:
    s.ehlo("client.example.org")
    s.mail(sender)
    for address in to.split(","):
        s.rcpt(address)
    code, text = s.data(b"Subject: t\r\n\r\n" + (b"x" * 70 + b"\r\n") * max(1, size // 72))
    assert code == 250, text
PY
}
ids() { bh queue list --json "$@" | /usr/bin/python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line)["id"])'; }
count() { ids "$@" | wc -l; }
is_count() { # COUNT SELECTOR...: so many messages match
    local want=$1 args=() s

    shift
    for s in "$@"; do args+=(--selector "$s"); done
    (($(count "${args[@]}") == want)) || fail "$* matches $(count "${args[@]}"), not $want: $(bh queue list)"
}
changed() { [[ $out =~ ^$1\ changed ]] || fail "not $1 changed: $out"; }
all_deferred() { (($(count --selector state=deferred) == $1)); }
gone() { ! ids | grep -q "$1"; }

# ---- without a daemon
write_config
# whoever listens under its name meanwhile is not believed, and keeps nothing from being said
runuser -u nobody -- /usr/bin/python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\0bridgehead-relay".ljust(108, "\0")); s.listen()
time.sleep(600)' &
started $!
name_taken() { ss -Hxl | grep -q "@bridgehead-relay"; }
wait_for 10 "the name to be taken" name_taken
expect 7 "probe, with an impostor" bh probe
expect 8 "start, with an impostor" start_daemon
says "@bridgehead-relay"
end_started
name_free() { ! name_taken; }
wait_for 10 "the name to be free" name_free
expect 7 "status of a daemon that does not run" bh status
says "not running on this node"
expect 7 "the same as JSON" bh status --json
[[ $(field error.code <<<"$out") = 7 ]] || fail "$out"
expect 2 "no command" bh
expect 2 "an unknown command" bh frobnicate
says frobnicate
expect 2 "half a command" bh queue
says "queue list"
! grep -q "store init" <<<"$out" || fail "the help of queue names other commands: $out"
expect 0 "the help of half a command" bh store --help
says "Make a store in the (mounted, empty) directory store.path"
expect 2 "an instance that is a path" bridgehead --instance ../relay status
expect 2 "an unknown option" bh queue list --frobnicate
expect 2 "an unknown option of status" bh status --frobnicate
expect 2 "--config without a file" bridgehead --config
expect 0 "--help" bh --help
expect 0 "--version" bridgehead --version
bh completion >/mnt/completion
# every command explains itself, in the help, in the completion and in the manual
while read -r command; do
    # shellcheck disable=SC2086 # a command's words
    expect 0 "$command --help" bh $command --help
    says "usage: bridgehead"
    grep -qF "$command" "$tests/../docs/man/bridgehead.8" || fail "bridgehead.8 does not have $command"
done < <(sed -n "/<<'COMMANDS'/,/^COMMANDS/p" /mnt/completion | sed '1d;$d')
# shellcheck source=/dev/null
. /mnt/completion
complete_words() { # WORDS...: what is offered for the last one
    COMP_WORDS=(bridgehead "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _bridgehead
    echo "${COMPREPLY[*]}"
}
[[ $(complete_words qu) = queue* ]] || fail "completion of qu: $(complete_words qu)"
[[ $(complete_words queue ex) = export ]] || fail "completion of queue ex: $(complete_words queue ex)"
[[ $(complete_words queue "") = *hold*release* ]] || fail "completion of queue: $(complete_words queue "")"
[[ $(complete_words --json conn) = connector* ]] || fail "completion after --json: $(complete_words --json conn)"
[[ $(complete_words status --js) = --json ]] || fail "completion of --js: $(complete_words status --js)"
echo "ok: completion"
fields "store owner" bh store owner
fields check bh check

# ---- a daemon with a queue: nobody listens at the next hop
start_daemon
fields status bh status
fields probe bh probe
expect 0 "probe" bh probe
for level in 0 10 20; do expect 0 "probe --level $level" bh probe --level $level; done
expect 2 "probe of no such level" bh probe --level 7
expect 0 "attributes" bh probe --attributes
[[ $(grep -c '^\(state\|queue\|oldest\|connectors-down\|epoch\)=' /mnt/out) = 5 ]] || fail "attributes: $out"
submit a@one.example b@two.example
submit a@one.example c@two.example,d@three.example 20000
submit "" e@three.example
wait_for 10 "three deferred messages" all_deferred 3
is_count 3 all
is_count 2 sender=a@one.example
is_count 1 "sender=<>"
is_count 2 domain=two.example
is_count 2 domain=THREE.example
is_count 1 domain=two.example domain=three.example
is_count 1 recipient=e@three.example
is_count 1 larger=10KiB
is_count 0 older=1h
is_count 3 connector=up
is_count 0 connector=down
is_count 0 in-doubt
is_count 0 state=held
expect 2 "an unknown selector" bh queue list --selector colour=blue
says "colour=blue"
expect 2 "a selector with a bad value" bh queue list --selector older=soon
fields "queue list" bh queue list
one=$(ids --selector recipient=b@two.example)
two=$(ids --selector recipient=c@two.example)
three=$(ids --selector recipient=e@three.example)
fields "queue show" bh queue show "$one"
expect 13 "show of no such message" bh queue show 123456789
expect 13 "show of no id" bh queue show zzz
expect 13 "a list of no such message" bh queue list 123456789
says "not in the queue"
fields why bh why "$one"
expect 0 "why" bh why "$one"
says b@two.example
fields why bh why up
expect 0 "why of a destination" bh why up
says "is down"
expect 13 "why of nothing" bh why no-such-thing
fields "connector list" bh connector list
fields "connector show" bh connector show up
expect 13 "a connector that is not there" bh connector show sideways
fields "failover report" bh failover report

# ---- changing by id and by selector
fields "queue hold" bh queue hold "$one"
is_count 1 state=held
expect 13 "hold of an unknown id" bh queue hold 123456789
says "1 not in the queue"
expect 0 "hold by selector" bh queue hold --selector domain=three.example
changed 2
is_count 3 state=held
expect 0 "release by id" bh queue release "$one"
changed 1
expect 0 "release by selector" bh queue release --selector state=held
changed 2
is_count 0 state=held
expect 0 "retry by id" bh queue retry "$one" "$two"
changed 2
expect 0 "retry of all" bh queue retry --selector all
changed 3
expect 2 "nothing named" bh queue retry
expect 2 "remove by selector without --yes" bh queue remove --selector all
says --yes
expect 2 "bounce by selector without --yes" bh queue bounce --selector all
is_count 3 all
expect 0 "export" bh queue export "$two" --output /mnt/exported
grep -q '^Received: from client.example.org' /mnt/exported || fail "no Received line: $(head -n 5 /mnt/exported)"
bh queue export "$two" | cmp - /mnt/exported || fail "export to standard output differs"
(($(wc -c </mnt/exported) == $(bh queue show "$two" --json | field size))) || fail "size of the export"
expect 13 "export of nothing" bh queue export 123456789
expect 0 "suspend" bh connector suspend up
fields "connector suspend" bh connector suspend up
why_says() { bh why "$one" | grep -q "$1"; }
wait_for 10 "the suspension in why" why_says suspended
fields "connector resume" bh connector resume up
expect 13 "suspend of no connector" bh connector suspend sideways
expect 0 "bounce" bh queue bounce "$one"
changed 1
wait_for 10 "the bounced message to go" gone "$one"
is_count 1 recipient=a@one.example # its notification
expect 0 "bounce of a bounce" bh queue bounce "$three"
wait_for 10 "the bounce of a bounce to go" gone "$three"
is_count 0 recipient=
expect 0 "remove by id" bh queue remove "$two"
wait_for 10 "the removed message to go" gone "$two"
expect 0 "remove by selector" bh queue remove --yes --selector all
changed 1
wait_for 10 "an empty queue" drained

# ---- pages: more messages than one answer holds, by selector and by id
bh connector suspend up >/dev/null
send 450 --tag page
is_count 450 all
ids | sort -u | wc -l | grep -qx 450 || fail "a page was repeated"
# the log tells of each message in the queue, under the same id
told_of() {
    [[ $(bh status --json | field smtp.sessions) = 0 ]] || return 1
    ids | sort >/mnt/ids
    grep -oE "smtp.in.(accepted|left) id=[^ ]*" /mnt/relay.log | cut -d= -f2 | sort >/mnt/in-the-log
    [[ -z $(comm -23 /mnt/ids /mnt/in-the-log) ]]
}
wait_for 10 "the log to tell of each message in the queue" told_of
expect 9 "a list onto a full disk" bash -c 'bridgehead --config /mnt/relay.conf queue list >/dev/full'
says "standard output"
expect 0 "what the monitor asks, onto a full disk" bash -c 'bridgehead --config /mnt/relay.conf probe >/dev/full'
mapfile -t many < <(ids)
(($(bh queue list --json "${many[@]}" | sort -u | wc -l) == 450)) || fail "a list of 450 ids"
expect 0 "hold of many ids" bh queue hold "${many[@]}"
changed 450
expect 0 "remove of many" bh queue remove --yes --selector state=held
changed 450
wait_for 10 "an empty queue" drained

# ---- no message whose coming the log does not tell of, whatever its client did: here it goes at the final dot, now and
# then when the answers cannot be sent any more and the sync has not ended
/usr/bin/python3 - <<'PY'
import socket, struct, time
for later in range(120):
    with socket.create_connection(("192.0.2.10", 25), source_address=("192.0.2.10", 0)) as s:
        s.recv(4096)
        s.sendall(b"EHLO c\r\nMAIL FROM:<a@left.example>\r\nRCPT TO:<b@left.example>\r\nDATA\r\nhi\r\n.\r\n")
        time.sleep(later % 40 * 0.00001)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
PY
wait_for 10 "the log to tell of what they left" told_of
emptied() { bh queue remove --yes --selector all >/dev/null && drained; }
wait_for 10 "an empty queue" emptied
bh connector resume up >/dev/null

# ---- events, flight recorder
fields events bh events
bridgehead --config /mnt/relay.conf events --follow >/mnt/followed &
follow=$!
started $follow
wait_for 10 "the follower" test -s /mnt/followed
bh connector suspend up >/dev/null
bh connector resume up >/dev/null
wait_for 10 "a new event" grep -q "1813 connector.resumed" /mnt/followed
kill $follow
expect 0 "blackbox" bh blackbox
says "app.started"
fields blackbox bh blackbox

# ---- who may ask
logged "2000 ctl.command command=\"queue remove\" uid=0" || fail "a command that changes something is not logged"
useradd --no-create-home --system stranger 2>/dev/null || true
if id -u stranger >/dev/null 2>&1; then
    expect 1 "a stranger" setpriv --reuid stranger --regid stranger --clear-groups bridgehead --config /mnt/relay.conf status
    says "no permission"
    wait_for 10 "the refusal in the log" logged "2001 ctl.refused"
    stranger=(setpriv --reuid stranger --regid bridgehead --clear-groups)
    expect 0 "a process of the group" "${stranger[@]}" bridgehead --config /mnt/relay.conf status
    expect 1 "its stop" "${stranger[@]}" bridgehead --config /mnt/relay.conf stop
    says "no permission"
    serving || fail "a stranger's stop ended the daemon"
fi

# ---- reload, handoff
write_config relay 'retry = { schedule = ["1h"]; destination = ["200ms"]; };'
fields reload bh reload
submit a@one.example f@four.example
up_may_be_asked() { bh why up | grep -q "asked with the next delivery (0 active, 0 ready, 1 deferred): "; }
wait_for 10 "the end of the back-off" up_may_be_asked
sink_start
bh queue retry --selector all >/dev/null
fields handoff bh handoff
expect 7 "after the handoff" bh probe
[[ $(bh store owner) = released* ]] || fail "not released: $(bh store owner)"
fields "store check" bh store check
stat_total() { bh store stat "$@" | tail -n 1; }
fields "store stat" stat_total
fields "store dump" bh store dump
expect 0 "dump for people" bh store dump --content
says CONTENT
says CENSUS
says 'ranges=[{"first"'
expect 2 "dump of a bad number" bh store dump --segment xyz
expect 0 "check with progress" bh store check --progress
says "100 %"
start_daemon relay --resource mta
expect 2 "handoff under Pacemaker" bh handoff
says "crm_resource --move"
serving || fail "the refused handoff ended the daemon"
expect 0 "handoff under Pacemaker with --force" bh handoff --force
expect 7 "after the forced handoff" bh probe
