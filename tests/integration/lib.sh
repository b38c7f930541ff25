# lib.sh - what the integration tests share. Source it first; it sets -euo pipefail.
# shellcheck shell=bash
set -euo pipefail

: "${BRIDGEHEAD_BUILD:?the build directory}"
scratch=${BRIDGEHEAD_SCRATCH:-$(mktemp -d)}

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# Processes started with `started` are ended when the test ends, whatever the reason.
started_pids=()
started() { started_pids+=("$1"); }
# It has ended and was waited for: its number may be another's now.
ended() {
    local pid kept=()
    for pid in "${started_pids[@]}"; do
        [[ $pid = "$1" ]] || kept+=("$pid")
    done
    started_pids=("${kept[@]}")
}
end_started() {
    local pid
    for pid in "${started_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${started_pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    started_pids=()
}
trap end_started EXIT

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; the time is only for giving up.
wait_for() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < until)) || fail "waited in vain for: $what"
        sleep 0.05
    done
}

# two_hosts: run the rest in a fresh network namespace, "here", with second_host. Re-executes the
# script.
two_hosts() {
    if [[ -z ${IN_TWO_HOSTS:-} ]]; then
        [[ $(id -u) = 0 ]] || skip "needs root for network namespaces"
        unshare --net true 2>/dev/null || skip "no network namespaces here"
        export IN_TWO_HOSTS=1
        exec unshare --net "$0" "$@"
    fi
    rm -rf "$scratch"
    mkdir -p "$scratch"
    ip link set lo up
    second_host
}

# second_host: a link (interface `near`) to another network namespace (interface `far`), "there".
# Only in a namespace of the test's own. `there COMMAND...` runs in the other one.
second_host() {
    command -v tcpdump >/dev/null || skip "tcpdump is not installed"
    unshare --net sleep infinity &
    there_pid=$!
    started $there_pid
    wait_for 10 "the other namespace" other_namespace
    ip link add near type veth peer name far
    ip link set far netns $there_pid
    there ip link set lo up
    there ip link set far up
    ip link set near up
}
other_namespace() { [[ $(readlink "/proc/$there_pid/ns/net") != $(readlink /proc/$$/ns/net) ]]; }
there() { nsenter --target "$there_pid" --net "$@"; }
# The same in the background, ended with the test; its pid is $!.
there_started() {
    nsenter --target "$there_pid" --net "$@" &
    started $!
}

# capture FILE: the packets that arrive at the other host, from now on; capture_end FILE: complete,
# or the test fails: a dropped packet proves nothing.
capture() {
    there_started tcpdump -i far -n -U --immediate-mode -B 65536 -s 128 -w "$1" 2>"$1.log"
    capture_pid=$!
    wait_for 10 "tcpdump" grep -q "listening on" "$1.log"
}
capture_end() {
    kill -INT "$capture_pid"
    wait "$capture_pid" || true
    ended "$capture_pid"
    grep -q "^0 packets dropped" "$1.log" || fail "packets are missing from the capture: $(tail -n 1 "$1.log")"
}
# packets FILE FILTER: those of the capture that match, one a line.
packets() { tcpdump -n -tt -r "$1" "$2" 2>/dev/null; }
