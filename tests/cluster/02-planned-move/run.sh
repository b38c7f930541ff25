#!/bin/bash
# A planned move under load: no message lost, none twice, and no connection refused once the VIP has left the old node.
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
    assert "no connection was refused after the VIP had left" refused_only_before "$fault" "vip stop done"
fi
