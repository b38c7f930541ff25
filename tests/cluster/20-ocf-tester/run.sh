#!/bin/bash
# The agent passes ocf-tester on a real node, and a probe tells the truth on every node, with the disk mounted or not.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

only_bridgehead
case_start
lab_up
owner=$(lab owner)
nodes='node1 node2 node3'
AGENT=/usr/lib/ocf/resource.d/bridgehead/mta
CONFIG=/etc/bridgehead/bridgehead.conf

# A probe as the cluster makes it, on every node: 0 where it runs, 7 elsewhere, where the disk is not mounted.
probe_says() { # NODE CODE
    local rc=0

    lab exec "$1" env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=mta OCF_RESKEY_config=$CONFIG \
        OCF_RESKEY_CRM_meta_interval=0 $AGENT monitor || rc=$?
    [ "$rc" = "$2" ] || { echo "rc $rc" && return 1; }
}
for node in $nodes; do
    if [ "$node" = "$owner" ]; then
        assert "a probe says running on $node" probe_says "$node" 0
    else
        assert "a probe says stopped on $node" probe_says "$node" 7
    fi
done

# ocf-tester starts and stops the resource by itself: the cluster must not interfere, and the resource be stopped.
tell() { lab exec "$owner" "$@"; }
mta_is_gone() { ! tell pgrep -f '^[^ ]*bridgeheadd( |$)' >/dev/null; }
tell crm_attribute --type crm_config --name maintenance-mode --update true
tell env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=mta OCF_RESKEY_config=$CONFIG $AGENT stop ||
    fail "the agent's stop"
assert "the daemon is stopped" mta_is_gone
rc=0
tell ocf-tester -n mta -o config=$CONFIG -o "vip=$VIP,$VIP6" $AGENT >"$CASE_OUT/ocf-tester" 2>&1 || rc=$?
cat "$CASE_OUT/ocf-tester"
assert "ocf-tester passes" [ "$rc" = 0 ]
assert "ocf-tester says so" grep -q "passed all tests" "$CASE_OUT/ocf-tester"
assert "ocf-tester leaves it stopped" mta_is_gone

# The cluster finds it stopped, and starts it once it may.
tell crm_attribute --type crm_config --name maintenance-mode --update false
tell crm_resource --cleanup --resource mta >/dev/null 2>&1 || fail "the clean-up"
tell crm_resource --refresh --resource mta >/dev/null 2>&1 || fail "the refresh"
lab wait started
lab wait idle
owner=$(lab owner)
assert "it serves again" status_says "$owner" serving
