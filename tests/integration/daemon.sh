# daemon.sh - a daemon of one's own on a host of one's own. Source it first; it sources lib.sh.
# shellcheck shell=bash disable=SC2119,SC2120 # most arguments are optional
#
#   own_host "$@"     the rest runs in namespaces of its own (net, mount, pid): /run, /dev/shm and /etc are the test's,
#                     $scratch is also /mnt, which every account may enter. Addresses 192.0.2.10 and 192.0.2.11 on lo.
#   write_config [NAME [LINE...]]   /mnt/NAME.conf and a store for it; a LINE replaces the setting of its key
#   start_daemon [NAME [OPTION...]], stop_daemon [NAME], bh COMMAND... (of $instance)
#   sink_start [DELAY], send COUNT [OPTION...], verify: numbered mail and who keeps the promise (tests/cluster/support)
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
support=$tests/cluster/support
PATH=$BRIDGEHEAD_BUILD/mta/app:$BRIDGEHEAD_BUILD/mta/tools:$PATH
vip=192.0.2.10
instance=relay

# A sanitizer's finding must not hide: with halt_on_error the process ends with this code, which no test expects.
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99:log_path=/mnt/sanitizer}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1:exitcode=99:log_path=/mnt/sanitizer}
# a fail-stop leaves its threads to the end of the process
export TSAN_OPTIONS=${TSAN_OPTIONS:-exitcode=99:log_path=/mnt/sanitizer:report_thread_leaks=0}

own_host() {
    if [[ -z ${IN_OWN_HOST:-} ]]; then
        [[ $(id -u) = 0 ]] || skip "needs root for namespaces"
        unshare --net --mount --pid --fork true 2>/dev/null || skip "no namespaces here"
        export IN_OWN_HOST=1 BRIDGEHEAD_SCRATCH=$scratch
        # as pid 1 of its own, so that nothing it started can outlive it
        exec unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
    fi
    rm -rf "$scratch"
    mkdir -p "$scratch"
    mount --bind "$scratch" /mnt
    cp "$tests/support/tsan.supp" /mnt # where every account may read it
    export TSAN_OPTIONS=$TSAN_OPTIONS:suppressions=/mnt/tsan.supp
    chmod 777 /mnt # the server writes core dumps and findings of sanitizers here
    mount -t tmpfs -o mode=755 none /run
    mount -t tmpfs -o mode=1777 none /dev/shm
    mkdir -p /run/etc/upper /run/etc/work
    mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work none /etc 2>/dev/null ||
        echo "no overlay: /etc is the host's"
    id -u bridgehead >/dev/null 2>&1 ||
        useradd --system --user-group --no-create-home --shell /usr/sbin/nologin bridgehead
    ip link set lo up
    ip addr add $vip/32 dev lo
    ip addr add 192.0.2.11/32 dev lo
    trap end_daemons EXIT
    set -E
    trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR
    cd /mnt
}

write_config() {
    local name=${1:-relay} line key own_store=yes
    local -A lines=(
        [hostname]='hostname = "mx.example.org";'
        [vip]="vip = [\"$vip\"];"
        [store]="store = { path = \"/mnt/$name.store\"; reserve = \"8MiB\"; };"
        [log]="log = { to = \"file:/mnt/$name.log\"; level = \"debug\"; };"
        [listener]='listener = { mx = { protocol = "smtp"; address = "vip"; port = 25; }; };'
        [relay]='relay = { clients = ["127.0.0.0/8", "192.0.2.0/24"]; };'
        [connector]='connector = { up = { protocol = "smtp"; next_hop = ["[127.0.0.1]:2525"]; }; };'
        [route]='route = ( { to = "*"; via = ["up"]; } );'
        [retry]='retry = { schedule = ["200ms"]; destination = ["200ms"]; };'
    )

    shift $(($# > 0 ? 1 : 0))
    for line in "$@"; do
        key=${line%%[ =]*}
        lines[$key]=$line
        [[ $key != store ]] || own_store=no
    done
    : >"/mnt/$name.conf"
    for key in hostname vip store log listener relay connector route retry; do
        echo "${lines[$key]}" >>"/mnt/$name.conf"
        unset "lines[$key]"
    done
    for key in "${!lines[@]}"; do
        echo "${lines[$key]}" >>"/mnt/$name.conf"
    done
    touch "/mnt/$name.log"
    chown bridgehead: "/mnt/$name.log"
    if [[ $own_store = yes && ! -d /mnt/$name.store ]]; then
        mkdir "/mnt/$name.store"
        bridgehead --config "/mnt/$name.conf" store init --segment 1MiB >/dev/null
    fi
}

bh() { bridgehead --config "/mnt/$instance.conf" "$@"; }

start_daemon() {
    local name=${1:-$instance}

    shift $(($# > 0 ? 1 : 0))
    bridgeheadd --config "/mnt/$name.conf" "$@"
}

stop_daemon() { bridgehead --config "/mnt/${1:-$instance}.conf" stop; }

# postfix_own DIR: directories of a Postfix of the test's own, and the head of its conf/main.cf; the host's is not touched
postfix_own() {
    mkdir -p "$1/conf" "$1/queue" "$1/data"
    chown postfix "$1/data"
    cat >"$1/conf/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $1/queue
data_directory = $1/data
command_directory = /usr/sbin
daemon_directory = $(postconf -d -h daemon_directory)
mail_owner = postfix
setgid_group = postdrop
maillog_file = $1/maillog
maillog_file_prefixes = $1
myhostname = postfix.test
mydestination =
alias_maps =
alias_database =
inet_protocols = ipv4
smtp_dns_support_level = disabled
CONF
}

keeper_pid() { cat "/run/bridgehead/${1:-$instance}/pid"; }
# The server is the keeper's child that runs the same program. Its name of 15 letters is "exe" at first, so the arguments tell.
server_of() { pgrep -P "$1" -f '^[^ ]*bridgeheadd --server '; }
server_pid() { server_of "$(keeper_pid "${1:-$instance}")"; }
serving() { bh probe >/dev/null 2>&1; }
status_is() { [[ $(bh status --json 2>/dev/null | field state) = "$1" ]]; }
# field PATH: a value of the JSON object on standard input ("queue.held", "reasons.0")
field() {
    /usr/bin/python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value[int(key)] if isinstance(value, list) else value[key]
print(json.dumps(value) if isinstance(value, (dict, list, bool)) or value is None else value)' "$1"
}
logged() { grep -q -- "$1" "/mnt/${2:-$instance}.log"; }
listens() { ss -Hltn "sport = :${1:-25}" | grep -q .; }

# No daemon of the test outlives it; a sanitizer's report fails it.
end_daemons() {
    local rc=$? dir file

    for dir in /run/bridgehead/*/; do
        [[ -e $dir/pid ]] || continue
        dir=$(basename "$dir")
        bridgehead --config "/mnt/$dir.conf" stop --timeout 10 >/dev/null 2>&1 || true
    done
    end_started
    for file in /mnt/sanitizer.*; do
        [[ -e $file ]] || continue
        cat "$file" >&2
        rc=1
    done
    if ((rc != 0 && rc != 77)); then
        for file in /mnt/*.log; do
            [[ -e $file ]] || continue
            echo "--- the end of $file"
            tail -n 30 "$file"
        done >&2
    fi
    exit "$rc"
}

# expect CODE WHAT COMMAND...: the exit code is CODE; what it printed is in $out and in /mnt/out
expect() {
    local code=$1 what=$2 rc=0

    shift 2
    "$@" >/mnt/out 2>&1 || rc=$?
    out=$(</mnt/out)
    ((rc == code)) || fail "$what: exit code $rc, not $code: $out"
    echo "ok: $what"
}
says() { grep -qF -- "$1" <<<"$out" || fail "\"$1\" is not in: $out"; }

sink_start() {
    "$support/sink" --out /mnt/sink --listen 127.0.0.1:2525 --delay "${1:-0}" --until /mnt/stop-sink &
    sink_job=$!
    started $sink_job
    wait_for 10 "the sink" grep -qs '"ready"' /mnt/sink
}
sink_stop() {
    touch /mnt/stop-sink
    wait "$sink_job" || true
    rm -f /mnt/stop-sink
}
# send COUNT [OPTION...]: numbered messages, acknowledged or not; records in /mnt/sent
send() {
    local count=$1

    shift
    "$support/sender" --to $vip --out /mnt/sent --count "$count" --rate 500 "$@"
}
verify() {
    "$support/checker" --sent /mnt/sent --sink /mnt/sink --vip $vip --wait 20 "$@" || fail "a promise was broken"
}

# By its name, not by its command line: that goes first when a process ends, before its sockets do. A server is called exe until it
# has begun. What is only to be reaped holds nothing.
no_daemon() { ! pgrep -x -r D,R,S,T,t,I 'bridgeheadd|exe' >/dev/null; }
degraded() { bh status --json | field reasons | grep -q "$1"; }
serving_state() { status_is serving; }
drained() { [[ $(bh status --json | field queue.messages) = 0 ]]; }
not_listening() { ! listens "$@"; }
process_gone() { [[ ! -e /proc/$1 ]]; }
# acked_since TIME: a message that was begun after it is acknowledged
acked_since() {
    awk -F '[:,]' -v t="$1" '/"acked"/ { for (i = 1; i < NF; i++) if ($i == "\"start\"" && $(i + 1) > t) found = 1 }
        END { exit !found }' /mnt/sent
}
