#!/bin/bash
# The lab is proved: where syncs do nothing its power cut loses acknowledged mail. (That it loses none where they do
# something is what 05-power-cut shows.) The slow sink keeps messages in the queue.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

case_start
new_lab --nosync --nodes 3
sink_start 0.3
load_start
wait_for_acked 1000
owner=$(lab owner)
cut=$(lab kill "$owner")
say "$owner lost its power and what it had not synced"
load_stop
verify_loss "$owner" "$cut"
