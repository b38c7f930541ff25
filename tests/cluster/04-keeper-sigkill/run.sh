#!/bin/bash
# SIGKILL of keeper and server at once: the next monitor notices and the cluster starts both again.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

only_bridgehead
case_start
lab_up
sink_start
load_start
owner=$(lab owner)
pid=$(server_pid "$owner")
fault=$(kill_both "$owner")
lab wait started
served_since "$(stamp)"
wait_for_server "$owner" "$pid"
load_stop
report "$fault"
verify --cut "$fault"
say "a monitor comes every 10 s"
lab exec "$(lab owner)" crm_resource --resource mta --cleanup >/dev/null 2>&1
lab wait idle
