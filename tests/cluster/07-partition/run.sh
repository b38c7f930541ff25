#!/bin/bash
# The owner is cut off: from everything; then only from its peers, while clients still reach it. It is fenced, and what
# it did until then was not done twice but for what was in doubt.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

case_start
lab_up
sink_start
load_start
cuts=''
for from in all peers; do
    owner=$(lab owner)
    cut=$(lab partition "$owner" "$from")
    lab wait fenced "$owner"
    cuts="$cuts --cut $cut --cut $(fenced_at "$owner")"
    served_since "$(stamp)"
    lab wait started
    assert "another node took over (cut off from: $from)" [ "$(lab owner)" != "$owner" ]
    report "$cut"
    lab heal "$owner"
    lab wait idle
done
load_stop
# shellcheck disable=SC2046,SC2086
verify $cuts $(quorum_losses)
