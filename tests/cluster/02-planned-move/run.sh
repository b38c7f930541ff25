#!/bin/bash
# A planned move under load: no message lost, none twice, and no connection refused by the new owner.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

case_start
lab_up
sink_start
load_start
owner=$(lab owner)
fault=$(stamp)
lab move
served_since "$(stamp)"
load_stop
report "$fault"
lab collect "$CASE_OUT/logs"
"$SUPPORT/phases" --logs "$CASE_OUT/logs" --fault "$fault" --probe "$CASE_OUT/prober"
assert "the mta runs on another node" [ "$(lab owner)" != "$owner" ]
verify --duplicates none
if [ "$LAB_MTA" = bridgehead ]; then
    # While no node has the VIP nobody can refuse; the new owner listens before the VIP comes to it.
    assert "no connection was refused once the VIP came to the new owner" refused_only_before "$fault" "vip start begun"
fi
