# shellcheck shell=bash
# far.sh - sourced behind case.sh: a second Bridgehead, beside the cluster. It runs on remote, its files in $CASE_OUT/far,
# which that host knows as /mnt, as any account may. A case says what it is by far_config, which writes $CASE_OUT/far/far.conf.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120 # programs for another shell; used by the cases

FAR=10.77.0.202
PREFIX=${LAB_PREFIX:-/usr}

far() { lab exec remote "$PREFIX/bin/bridgehead" --config /mnt/far.conf "$@"; }

far_serves() { far probe >/dev/null 2>&1; }

# far_start [NAME=VALUE...]: with these in its environment
far_start() {
    local limit=$((SECONDS + 20))

    lab exec remote env "$@" "$PREFIX/sbin/bridgeheadd" --config /mnt/far.conf || fail "the second Bridgehead does not start"
    until far_serves; do
        [ "$SECONDS" -lt "$limit" ] || fail "the second Bridgehead does not serve"
        sleep 0.05
    done
}

# far_prepare [ARG...]: files, configuration (by far_config ARG...) and store; then far_start
far_prepare() {
    mkdir -m 777 "$CASE_OUT/far"
    far_config "$@"
    install -m 666 /dev/null "$CASE_OUT/far/far.log"
    lab exec remote sh -c 'mount --bind "$1" /mnt && mount -t tmpfs none /run && mount -t tmpfs -o mode=1777 none /dev/shm &&
        mkdir /mnt/store' sh "$CASE_OUT/far"
    far store init >/dev/null
}

# Keeper and server at once.
far_kill() {
    lab exec remote sh -c 'keeper=$(cat /run/bridgehead/far/pid); server=$(pgrep -P "$keeper")
        kill -9 "$keeper" && date +%s.%N
        kill -9 "$server" 2>/dev/null # it dies with its keeper
        while [ -e "/proc/$keeper" ] || [ -e "/proc/$server" ]; do sleep 0.01; done'
}
