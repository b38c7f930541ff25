#!/bin/bash
# Root fills the filesystem of the queue to its last block, and the mail does not go out: new mail is refused for now
# (452). Once what was accepted goes out, service returns by itself, full as the disk still is: what is dead is used
# again. An owner that leaves or dies while there is no room has a successor all the same, in what the reserve has ready.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

remote() { lab exec "$(lab owner)" bridgehead connector "$1" remote >/dev/null; }

SIZE=50000 # the segments that are allocated already have to fill up too
case_start
lab_up
sink_start 0.05
load_start
owner=$(lab owner)
remote suspend
full=$(stamp)
lab fill
wait_for_reply 45 "$full"
say "ok: new mail is refused with 45x"
remote resume
room=$(stamp)
served_since "$room"
say "ok: what was accepted goes out, and what it leaves is enough to go on"
report "$full"
assert "the mta stayed where it was" [ "$(lab owner)" = "$owner" ]
remote suspend
full=$(stamp)
lab fill
wait_for_reply 45 "$full"
lab move
assert "it moved on a full disk" [ "$(lab owner)" != "$owner" ]
owner=$(lab owner)
full=$(stamp)
lab fill
wait_for_reply 45 "$full"
cut=$(lab kill "$owner")
lab wait fenced "$owner"
lab wait started
assert "another node took over on a full disk" [ "$(lab owner)" != "$owner" ]
lab unfill
remote resume
room=$(stamp)
served_since "$room"
load_stop
verify --cut "$cut"
