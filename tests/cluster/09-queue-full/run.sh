#!/bin/bash
# The filesystem of the queue is full: new mail is refused for now (452), what was accepted still goes out, and with
# room service comes back by itself. An owner that dies while there is no room has a successor all the same.
# shellcheck source=SCRIPTDIR/../support/case.sh
. "$(dirname "$0")/../support/case.sh"

SIZE=50000 # the segments that are allocated already have to fill up too
case_start
lab_up
sink_start 0.05
load_start
owner=$(lab owner)
lab fill
full=$(stamp)
wait_for_reply 45 "$full"
say "ok: new mail is refused with 45x"
queue_drains
say "ok: what was accepted went out meanwhile"
lab unfill
room=$(stamp)
served_since "$room"
report "$full"
assert "the mta stayed where it was" [ "$(lab owner)" = "$owner" ]
lab fill
wait_for_reply 45 "$room"
cut=$(lab kill "$owner")
lab wait fenced "$owner"
lab wait started
assert "another node took over on a full disk" [ "$(lab owner)" != "$owner" ]
lab unfill
room=$(stamp)
served_since "$room"
load_stop
verify --cut "$cut"
