#!/bin/bash
# The VIP is deleted by hand: the mta says so, sends nothing from another address, loses nothing, and goes on by itself
# when IPaddr2's monitor has put the address back.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

case_start
lab_up
sink_start
load_start
owner=$(lab owner)
fault=$(lab vip-del)
if [ "$LAB_MTA" = bridgehead ]; then
    assert "it says that it is degraded" status_says "$owner" degraded
fi
served_since "$(stamp)"
lab wait started
load_stop
report "$fault"
verify --cut "$fault"
lab exec "$(lab owner)" crm_resource --resource vip --cleanup >/dev/null 2>&1
lab wait idle
