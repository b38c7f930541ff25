#!/bin/bash
# The owner loses its power under load: nothing acknowledged is lost, what comes twice was in doubt.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

case_start
lab_up
sink_start "${DELAY:-0}"
load_start
owner=$(lab owner)
cut=$(lab kill "$owner")
say "$owner lost its power"
lab wait fenced "$owner"
served_since "$cut"
lab wait started
load_stop
report "$cut"
verify --cut "$cut"
assert "another node took over" [ "$(lab owner)" != "$owner" ]
[ "$LAB_MTA" != bridgehead ] || assert "no connection was refused" [ "$refused" = 0 ]
lab wait idle
