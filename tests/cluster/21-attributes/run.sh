#!/bin/bash
# Node attributes in crm_mon -A: they follow the state, leave with a move, and an exit reason names cause and cure.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

only_bridgehead
case_start
lab_up
owner=$(lab owner)

# attribute NODE NAME: its value as crm_mon -A shows it; empty if there is none
attribute() {
    lab exec "$1" crm_mon --one-shot --output-as=xml --include=none,attributes |
        python3 -c '
import sys, xml.etree.ElementTree as tree
for node in tree.parse(sys.stdin).iter("node"):
    for found in node.iter("attribute"):
        if node.get("name") == sys.argv[1] and found.get("name") == f"bridgehead-bridgehead-{sys.argv[2]}":
            print(found.get("value") or "")' "$1" "$2"
}
# attribute_becomes NODE NAME VALUE
attribute_becomes() {
    local limit=$((SECONDS + 40))

    until [ "$(attribute "$1" "$2")" = "$3" ]; do
        [ "$SECONDS" -lt "$limit" ] || { echo "$2 on $1 is \"$(attribute "$1" "$2")\"" && return 1; }
        sleep 0.3
    done
}

assert "the state is shown" attribute_becomes "$owner" state serving
assert "the queue is shown" attribute_becomes "$owner" queue 0
assert "the oldest is shown" attribute_becomes "$owner" oldest 0
assert "connectors that are down are shown" attribute_becomes "$owner" connectors-down 0
epoch=$(lab exec "$owner" bridgehead --json status | sed -E 's/.*"epoch":([0-9]+).*/\1/')
assert "the epoch is shown" attribute_becomes "$owner" epoch "$epoch"
lab exec "$owner" crm_mon -1A

# A degraded state: the VIP that IPaddr2 has not missed yet; and back
lab exec "$owner" ip addr del "$VIP/24" dev eth0
if lab exec "$owner" bridgehead --json status | grep -q vip-missing; then say "degraded is seen by the daemon"; fi
lab wait idle
assert "serving again, once IPaddr2 has repaired it" attribute_becomes "$owner" state serving

# A move: the old node's go, the new one's come
lab move
new=$(lab owner)
assert "the new owner's state" attribute_becomes "$new" state serving
assert "the old owner's state is gone" attribute_becomes "$owner" state ""
assert "the epoch has grown" [ "$(attribute "$new" epoch)" -gt "$epoch" ]

# A start that fails says why in crm_mon: cause, cure, and the event that documents it
other=''
for node in node1 node2 node3; do [ "$node" = "$new" ] || other=$node; done
lab exec "$other" sh -c 'cp -p /etc/bridgehead/bridgehead.conf /etc/bridgehead/saved && echo "bogus = 1;" >>/etc/bridgehead/bridgehead.conf'
lab exec "$new" crm_resource --resource mta --move --node "$other" >/dev/null
reason_shown() {
    local limit=$((SECONDS + 60))

    until lab exec "$new" crm_mon -1f >"$CASE_OUT/crm_mon" && grep -q 'conf.key.unknown' "$CASE_OUT/crm_mon"; do
        [ "$SECONDS" -lt "$limit" ] || return 1
        sleep 0.5
    done
    grep 'conf.key.unknown' "$CASE_OUT/crm_mon"
}
assert "the exit reason names the key and the event" reason_shown
lab exec "$other" mv /etc/bridgehead/saved /etc/bridgehead/bridgehead.conf
lab exec "$new" crm_resource --resource mta --clear >/dev/null
lab exec "$new" crm_resource --cleanup --resource mta >/dev/null 2>&1
lab wait started
lab wait idle
assert "it serves" status_says "$(lab owner)" serving
