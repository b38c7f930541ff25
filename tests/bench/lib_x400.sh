# shellcheck shell=bash
# shellcheck disable=SC2154 # work, build, cgroup, client_address and the programs are set in run and lib_bridgehead.sh
# The X.400 parts of tests/bench/run: x400_load => near => far => x400_load, two daemons on one machine, each with
# a store, a virtual IP and a cgroup of its own. No Postfix is beside them: it has no X.400.

declare -A x400_address=([near]=$bridgehead_address [far]=192.0.2.11)
declare -A x400_at=([near]=$bridgehead_address:102 [far]=192.0.2.11:102 [sink]=192.0.2.51:2700 [flap]=192.0.2.52:2701
    [hole]=192.0.2.53:2702)
declare -A x400_process=() x400_meter=()
x400_far_route='{ to = "/C=XX/A=BENCH/"; via = ["sink"]; }'

x400_prepare() {
    local name

    [ -n "${bridgehead_user:-}" ] || bridgehead_prepare
    x400_load=$(find_program "$build" x400_load)
    [ -n "$x400_load" ] || die "no x400_load in $build: build it"
    for name in far sink flap hole; do
        ip address add "${x400_at[$name]%:*}/32" dev lo 2>/dev/null || true # there from another part
    done
}

# connector US PEER CALLS [LINE]: told apart by T-selectors of both names; CALLS is yes, or no: only the peer does
x400_connector() {
    local us=$1 peer=$2 more=${4:-}

    if [ "$3" = yes ]; then
        more="next_hop = [\"[${x400_at[$peer]%:*}]:${x400_at[$peer]#*:}\"]; $more"
    else
        more="schedule = [\"never\"]; associations = { incoming = 0; }; $more"
    fi
    cat <<CONF
$peer = { protocol = "x400"; local = { mta = "${us^^}"; tsel = "$us.$peer"; }; remote = { mta = "${peer^^}"; tsel = "$peer.$us"; };
  open = { interval = "1s"; }; transfer = { interval = "1s"; }; $more };
CONF
}

x400_bh() { # SIDE COMMAND...
    "$bridgehead" --config "$work/$1/bench-$1-$$.conf" "${@:2}"
}

# Start SIDE with an empty store.
x400_start() { # SIDE CONNECTORS ROUTES
    local side=$1 dir=$work/$1 name=bench-$1-$$ end=$((SECONDS + 30))

    rm -rf "$dir"
    mkdir -p "$dir/store"
    cat >"$dir/$name.conf" <<CONF
instance = "$name";
hostname = "$side.bench.test";
user     = "$bridgehead_user";
vip      = ["${x400_address[$side]}"];
store    = { path = "$dir/store"; };
cluster  = { mode = "none"; };
log      = { to = "file:$dir/log"; level = "info"; };
limits   = { message_size = "300MiB"; };
listener = { p1 = { protocol = "x400"; address = "vip"; }; };
x400     = { domain = "/C=XX/A= /P=${side^^}/"; mta = "${side^^}"; };
connector = { $2 };
route = ( $3 );
retry = { schedule = ["1s"]; destination = ["1s"]; };
CONF
    [ -z "$extra_config" ] || cat "$extra_config" >>"$dir/$name.conf"
    chown "$bridgehead_user" "$dir" "$dir/store"
    x400_bh "$side" store init >"$dir/out" 2>&1 || die "store init: $(cat "$dir/out")"
    chown -R "$bridgehead_user" "$dir/store"
    sync
    [ -z "$cgroup" ] || mkdir "$cgroup/$side"
    cgroup=${cgroup:+$cgroup/$side} exec_in_cgroup "$bridgeheadd" --config "$dir/$name.conf" --foreground \
        >>"$dir/out" 2>&1 &
    x400_process[$side]=$!
    until x400_bh "$side" probe >/dev/null 2>&1; do
        [ "$SECONDS" -le "$end" ] ||
            die "bridgeheadd ($side) does not serve: $(cat "$dir/out" "$dir/log" 2>/dev/null | tail -n 20)"
        sleep 0.05
    done
}

x400_stop() { # SIDE...
    local side dir

    for side in "$@"; do
        dir=$work/$side
        [ -n "${x400_process[$side]:-}" ] || continue
        kill "${x400_process[$side]}" 2>/dev/null ||
            say "note: bridgeheadd ($side) had ended by itself: $(tail -n 5 "$dir/out" "$dir/log" 2>/dev/null)"
        wait "${x400_process[$side]}" || true
        unset "x400_process[$side]"
        cgroup=${cgroup:+$cgroup/$side} cgroup_empty
        [ -z "$cgroup" ] || rmdir "$cgroup/$side"
        rm -rf "$dir/store" "/run/bridgehead/bench-$side-$$"
    done
}

x400_connectors() { # suspend|resume SIDE NAME...
    local name

    for name in "${@:3}"; do
        x400_bh "$2" connector "$1" "$name" >>"$work/$2/out" 2>&1 || die "connector $1: $(tail -n 5 "$work/$2/out")"
    done
}

# Wait until so many messages are queued; a look costs the daemon a tenth of a millisecond.
x400_wait_queued() { # SIDE COUNT SECONDS
    local end=$((SECONDS + $3)) queued=""

    until [ "$queued" = "$2" ]; do
        [ "$SECONDS" -le "$end" ] || die "$queued messages are queued at $1, not $2: $(tail -n 5 "$work/$1/log")"
        sleep 0.1
        queued=$(x400_bh "$1" status | sed -n 's/^queue *\([0-9]*\) messages.*/\1/p')
    done
}

x400_meter_start() { # INTERVAL_MS SIDE...
    local side

    for side in "${@:2}"; do
        rm -f "$work/$side.meter"
        # shellcheck disable=SC2046 # two words are meant
        "$bench_meter" $([ -n "$cgroup" ] && echo "--cgroup $cgroup/$side" || echo "--pid ${x400_process[$side]}") \
            --interval "$1" --json "$work/$side.meter" &
        x400_meter[$side]=$!
        helpers+=("$!")
    done
}

x400_meter_stop() { # SIDE...
    local side

    for side in "$@"; do
        kill "${x400_meter[$side]}" 2>/dev/null || true
        wait "${x400_meter[$side]}" || true
    done
}

# An end of the relay, called by CALLER; leaves $work/NAME.json when it ends.
x400_sink_start() { # NAME CALLER ARGUMENT...
    rm -f "$work/$1.ready" "$work/$1.json"
    "$x400_load" receive --listen "${x400_at[$1]}" --local "${1^^},$1.$2" --peer "${2^^},$2.$1" \
        --ready "$work/$1.ready" --json "$work/$1.json" "${@:3}" &
    sink_pid=$!
    helpers+=("$sink_pid")
    wait_for_file "$work/$1.ready" "$sink_pid"
}

x400_send() { # ARGUMENT... ; leaves $work/load.json
    rm -f "$work/load.json"
    "$x400_load" send --to "${x400_at[near]}" --bind "$client_address" --local LOAD,load.near --peer NEAR,near.load \
        --json "$work/load.json" "$@" || die "the loader: $(cat "$work/load.json")"
}

x400_seconds_since() { # EPOCHREALTIME MS_SINCE_1970
    awk -v from="$1" -v to="$2" 'BEGIN { printf "%.3f", to / 1000 - from }'
}

# Two daemons, all of it queued at near; then only what goes from near to far is measured, from `connector resume` to the
# last transfer that is durable at far. Then far hands it to the sink, which tells what is missing or came twice.
x400_rate() { # ASSOCIATIONS ROUND
    local messages=10000 resumed last opened

    [ "$quick" = 0 ] || messages=500
    say "x400, $messages messages through $1, round $2"
    x400_start far "$(x400_connector far near no) $(x400_connector far sink yes 'associations = { limit = 8; threshold = 1; };')" \
        "$x400_far_route"
    x400_start near "$(x400_connector near load no)
        $(x400_connector near far yes "associations = { limit = $1; threshold = 1; };")" '{ to = "/"; via = ["far"]; }'
    x400_connectors suspend near far
    x400_connectors suspend far sink
    x400_meter_start 500 near
    x400_send --sessions 8 --messages "$messages"
    x400_meter_stop near
    cp "$work/near.meter" "$work/in.meter"
    x400_wait_queued near "$messages" 10

    x400_meter_start 500 near far
    resumed=$EPOCHREALTIME
    x400_connectors resume near far
    x400_wait_queued near 0 120
    x400_wait_queued far "$messages" 10
    x400_meter_stop near far
    last=$(grep ' x400.transfer.in ' "$work/far/log" | tail -n 1 | cut -d ' ' -f 1)
    opened=$(grep -c ' x400.association.opened .*connector="far"' "$work/near/log")

    x400_sink_start sink far
    x400_connectors resume far sink
    x400_wait_queued far 0 120
    kill "$sink_pid"
    wait "$sink_pid" || true
    x400_stop near far
    record x400_rate bridgehead "$2" messages="$messages" associations="$1" opened="$opened" \
        seconds="$(x400_seconds_since "$resumed" "$(date -d "$last" +%s%3N)")" load=@"$work/load.json" in=@"$work/in.meter" \
        near=@"$work/near.meter" far=@"$work/far.meter" sink=@"$work/sink.json"
}

run_x400_rate() {
    local round associations

    for ((round = 1; round <= ${rounds:-$((quick ? 1 : 3))}; round++)); do
        for associations in $([ $((round % 2)) = 1 ] && echo 1 8 || echo 8 1); do
            x400_rate "$associations" "$round"
        done
    done
}

# One large content, all the way at once: both daemons receive and send it.
run_x400_large() {
    local bytes=200000000 round

    [ "$quick" = 0 ] || bytes=20000000
    for ((round = 1; round <= ${rounds:-1}; round++)); do
        say "x400, a content of $bytes bytes, round $round"
        x400_start far "$(x400_connector far near no) $(x400_connector far sink yes)" "$x400_far_route"
        x400_start near "$(x400_connector near load no) $(x400_connector near far yes)" '{ to = "/"; via = ["far"]; }'
        x400_sink_start sink far --count 1
        x400_meter_start 10 near far
        x400_send --size "$bytes"
        sink_wait 120
        x400_meter_stop near far
        x400_stop near far
        record x400_large bridgehead "$round" messages=1 bytes="$bytes" load=@"$work/load.json" near=@"$work/near.meter" \
            far=@"$work/far.meter" sink=@"$work/sink.json"
    done
}

# near with a healthy connector (suspended) and two others that have got mail each. Beside: one is a black hole (accepts the
# connection, never says a word), one a peer that is up a quarter of a second, in which it cuts every association at its first
# content, and down the next quarter; their mail is tried again each second, and was when this returns. Alone: both are well
# and have taken it. So what was written to the store before is the same. It has been larger, too, by a first lot of healthy
# mail: a store that grows fills a new segment's file with zeros, and that takes the disk's time from whatever is measured.
x400_beside_start() { # VARIANT STUCK COUNT
    x400_start near "$(x400_connector near load no) $(x400_connector near sink yes 'associations = { limit = 4; threshold = 1; };')
        $(x400_connector near flap yes 'associations = { limit = 4; threshold = 1; };')
        $(x400_connector near hole yes 'associations = { limit = 4; threshold = 1; }; connect_timeout = "1s";')" \
        '{ to = "/C=XX/A=BENCH/"; via = ["sink"]; }, { to = "/C=XX/A=FLAP/"; via = ["flap"]; }, { to = "/C=XX/A=HOLE/"; via = ["hole"]; }'
    x400_connectors suspend near sink
    x400_send --sessions 8 --messages $(($3 * 5 / 4)) --first 3000000
    x400_sink_start sink near
    x400_connectors resume near sink
    x400_wait_queued near 0 60
    x400_connectors suspend near sink
    kill "$sink_pid"
    wait "$sink_pid" || true

    if [ "$1" = beside ]; then
        x400_sink_start flap near --flap 250
        flap_pid=$sink_pid
        rm -f "$work/hole.ready"
        "$smtp_sink" --listen "${x400_at[hole]}=blackhole" --ready "$work/hole.ready" --json "$work/hole.json" &
        hole_pid=$!
        helpers+=("$hole_pid")
        wait_for_file "$work/hole.ready" "$hole_pid"
    else
        x400_sink_start flap near
        flap_pid=$sink_pid
        x400_sink_start hole near
        hole_pid=$sink_pid
    fi
    x400_sink_start sink near --count "$3"
    x400_send --sessions 4 --messages "$2" --size 65536 --first 1000000 --recipient /C=XX/A=FLAP/S=b/
    x400_send --sessions 4 --messages "$2" --first 2000000 --recipient /C=XX/A=HOLE/S=b/
    [ "$1" = beside ] || x400_wait_queued near 0 60
}

x400_beside_end() {
    kill "$flap_pid" "$hole_pid"
    wait "$flap_pid" "$hole_pid" || true
    x400_stop near
}

# As fast as it goes: all of it is queued, then measured from `connector resume` to the last message at the sink.
x400_isolation_run() { # VARIANT ROUND
    local messages=40000 stuck=500 resumed flap_pid hole_pid

    [ "$quick" = 0 ] || { messages=1000 && stuck=20; }
    say "x400, a healthy connector $1, round $2"
    x400_beside_start "$1" "$stuck" "$messages"
    x400_send --sessions 8 --messages "$messages"
    wait_for_quiet
    x400_meter_start 500 near
    resumed=$EPOCHREALTIME
    x400_connectors resume near sink
    sink_wait 120
    x400_meter_stop near
    x400_beside_end
    record x400_isolation bridgehead "$2" messages="$messages" stuck="$stuck" variant="$1" seconds="$(x400_seconds_since \
        "$resumed" "$(sed -n 's/.*"last_wall_ms": \([0-9]*\).*/\1/p' "$work/sink.json")")" sink=@"$work/sink.json" \
        flap=@"$work/flap.json" hole=@"$work/hole.json" near=@"$work/near.meter"
}

# At a rate that leaves half of the machine idle: what comes in goes out at once; how late is it at the sink?
x400_paced_run() { # VARIANT ROUND
    local messages=10000 rate=2000 stuck=500 flap_pid hole_pid

    [ "$quick" = 0 ] || { messages=1000 && stuck=20; }
    say "x400, $rate messages a second for a healthy connector $1, round $2"
    x400_beside_start "$1" "$stuck" "$messages"
    x400_connectors resume near sink
    wait_for_quiet
    x400_meter_start 500 near
    x400_send --sessions 8 --messages "$messages" --rate "$rate"
    sink_wait 120
    x400_meter_stop near
    x400_beside_end
    record x400_paced bridgehead "$2" messages="$messages" rate="$rate" stuck="$stuck" variant="$1" load=@"$work/load.json" \
        sink=@"$work/sink.json" flap=@"$work/flap.json" hole=@"$work/hole.json" near=@"$work/near.meter"
}

x400_pairs() { # PART
    local round variant

    for ((round = 1; round <= ${rounds:-$((quick ? 1 : 5))}; round++)); do
        for variant in $([ $((round % 2)) = 1 ] && echo alone beside || echo beside alone); do
            "x400_$1_run" "$variant" "$round"
        done
    done
}

run_x400_isolation() {
    x400_pairs isolation
}

run_x400_paced() {
    x400_pairs paced
}
