#!/bin/bash
# The server alone stands still for longer than its lease, then goes on: by then another could own the store, so it must
# not acknowledge a single message more, but end and begin anew.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

LEASE_S=6 # of deploy/lab/bridgehead.conf.in

only_bridgehead
case_start
lab_up
sink_start
load_start
owner=$(lab owner)
pid=$(server_pid "$owner")
stopped=$(strike_in "$owner" kill -STOP "$pid")
sleep $((LEASE_S + 2)) # the fault itself
thawed=$(stamp)
lab exec "$owner" kill -CONT "$pid" || true # unless somebody has ended it
served_since "$thawed"
wait_for_server "$(lab owner)" "$pid"
load_stop
report "$stopped"
verify --cut "$stopped" --cut "$thawed"
lab exec "$(lab owner)" crm_resource --resource mta --cleanup >/dev/null 2>&1
lab wait idle
