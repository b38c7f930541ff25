#!/bin/bash
# SIGKILL of the server: the keeper holds the sockets and starts another at once; nobody is refused, nothing is moved.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

only_bridgehead
case_start
lab_up
sink_start
load_start
owner=$(lab owner)
pid=$(server_pid "$owner")
fault=$(strike_in "$owner" kill -9 "$pid")
served_since "$(stamp)"
wait_for_server "$owner" "$pid"
load_stop
report "$fault"
verify --cut "$fault"
assert "no connection was refused" [ "$refused" = 0 ]
assert "the mta stayed where it was" [ "$(lab owner)" = "$owner" ]
assert "it says that it is degraded" status_says "$owner" degraded
lab move # the next case begins with a new keeper
