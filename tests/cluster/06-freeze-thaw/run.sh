#!/bin/bash
# The owner stands still: briefly, and goes on as if nothing had been; then for good, and is fenced.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

case_start
lab_up
sink_start
load_start
owner=$(lab owner)
short=$(lab freeze "$owner")
lab thaw "$owner"
served_since "$(stamp)"
assert "a short freeze moves nothing" [ "$(lab owner)" = "$owner" ]
long=$(lab freeze "$owner")
lab wait fenced "$owner"
served_since "$long"
lab wait started
load_stop
report "$long"
assert "another node took over" [ "$(lab owner)" != "$owner" ]
verify --cut "$short" --cut "$long"
lab wait idle
