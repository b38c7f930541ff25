# shellcheck shell=bash
# shellcheck disable=SC2154 # work, build, port and the addresses are set in run
# The Bridgehead side of tests/bench/run: one node, no cluster, its store below $work, so on the same disk as
# Postfix's queue, speaking from an address of the namespace that is not loopback: the VIP rules apply.

bridgehead_prepare() {
    bridgeheadd=$(find_program "$build" bridgeheadd)
    bridgehead=$(find_program "$build" bridgehead)
    if [ -z "$bridgeheadd" ] || [ -z "$bridgehead" ]; then
        die "no bridgeheadd in $build: build it, or use --targets postfix"
    fi
    bridgehead_name=bench-$$
    bridgehead_conf=$work/bridgehead/$bridgehead_name.conf
    mkdir -p "$work/bridgehead"
    bridgehead_process=""
    bridgehead_user=nobody
    ! getent passwd bridgehead >/dev/null || bridgehead_user=bridgehead
    say "$("$bridgeheadd" --version)"
}

bridgehead_write_config() {
    cat >"$bridgehead_conf" <<CONF
instance = "$bridgehead_name";
hostname = "bridgehead.bench.test";
user     = "$bridgehead_user";
vip      = ["$bridgehead_address"];
store    = { path = "$work/bridgehead/store"; };
cluster  = { mode = "none"; };
log      = { to = "file:$work/bridgehead/log"; level = "info"; };
limits   = { sessions = 5000; message_size = "200MiB"; };
listener = { mx = { protocol = "smtp"; address = "vip"; port = $port; }; };
relay    = { clients = ["192.0.2.0/24"]; };
connector = {
  good   = { protocol = "smtp"; next_hop = ["[${sink_good%:*}]:${sink_good#*:}"]; concurrency = 100; };
  second = { protocol = "smtp"; next_hop = ["[${sink_second%:*}]:${sink_second#*:}"]; concurrency = 100; };
};
route = ( { to = "second.test"; via = ["second"]; },
          { to = "*"; via = ["good"]; } );
CONF
    [ -z "$extra_config" ] || cat "$extra_config" >>"$bridgehead_conf"
}

bridgehead_pid() {
    echo "$bridgehead_process"
}

# Start with an empty store. Variants: relay and small (nothing to scale down); hold (connectors suspended).
bridgehead_start() { # VARIANT
    local dir=$work/bridgehead connector

    bridgehead_write_config
    rm -rf "$dir/store" "$dir/log" "$dir/out"
    mkdir -p "$dir/store"
    chown "$bridgehead_user" "$dir" "$dir/store"
    "$bridgehead" --config "$bridgehead_conf" store init >"$dir/out" 2>&1 ||
        die "store init: $(cat "$dir/out")"
    chown -R "$bridgehead_user" "$dir/store"
    sync
    exec_in_cgroup "$bridgeheadd" --config "$bridgehead_conf" --foreground >>"$dir/out" 2>&1 &
    bridgehead_process=$!
    wait_for_greeting "$bridgehead_address" "$port" 30 ||
        die "bridgeheadd does not greet: $(cat "$dir/out" "$dir/log" 2>/dev/null | tail -n 20)"
    if [ "$1" = hold ]; then
        for connector in good second; do
            "$bridgehead" --config "$bridgehead_conf" connector suspend "$connector" \
                >>"$dir/out" 2>&1 || die "connector suspend: $(tail -n 5 "$dir/out")"
        done
    fi
}

bridgehead_stop() {
    local dir=$work/bridgehead

    [ -n "${bridgehead_process:-}" ] || return 0
    if ! kill "$bridgehead_process" 2>/dev/null; then
        say "note: bridgeheadd had ended by itself: $(tail -n 5 "$dir/out" "$dir/log" 2>/dev/null)"
    fi
    wait "$bridgehead_process" || true
    bridgehead_process=""
    cgroup_empty
    rm -rf "$dir/store" "/run/bridgehead/$bridgehead_name"
}
