# shellcheck shell=bash
# x400.sh - sourced behind far.sh: the cluster and the Bridgehead beside it exchange X.400, and somebody counts.
#
#   alice (on client) -> cluster => far -> bob (on remote)       => four connectors, l1 to l4, told apart by T-selectors:
#   carol (on client) <- cluster <= far <- dave (on remote)         normal, normal, X.410 mode, 1984
#
# alice and dave hand a message in until it is confirmed; bob and carol write down what comes, and what comes again
# (tests/integration/81-x400-relay/relay_driver.c; X400_DRIVER names it where it is not found).
# shellcheck disable=SC2016,SC2034 # programs for another shell; used by the cases

CLIENT=10.77.0.201
LINKS='1 2 3 4'
MODES=(normal normal x410 1984)
CONTENT_BYTES=${CONTENT_BYTES:-10000000}
EACH=${EACH:-1} # messages for each connector and direction that are handed in at once
TIMES=${TIMES-'open = { interval = "1s"; }; transfer = { interval = "1s"; };'} # of the four; empty: what is the default
given='' # identifiers that were handed in
batch=0

# Where the build that was installed leaves it, or any.
x400_driver() {
    local name=tests/integration/81-x400-relay_driver at

    for at in "${X400_DRIVER:-}" "$PREFIX/../release/$name" "$SUPPORT/../../../build/"{release,dev}"/$name"; do
        [ ! -x "$at" ] || { readlink -f "$at" && return 0; }
    done
    fail "no $name: build it (cmake --build), and name it in X400_DRIVER"
}

# ---- configurations

# vip_of one|own LINK, far_of one|own LINK: the addresses of a connector
vip_of() { if [ "$1" = own ]; then echo "10.77.0.$((99 + $2))"; else echo "$VIP"; fi; }
far_of() { if [ "$1" = own ] && [ "$2" != 1 ]; then echo "10.77.0.$((208 + $2))"; else echo "$FAR"; fi; }

connector() { # NAME US PEER HOP LINE: the T-selectors of both are their names and the connector's
    echo "  $1 = { protocol = \"x400\"; next_hop = [ \"$4\" ]; local = { mta = \"${2^^}\"; tsel = \"$2.$1\"; };
    remote = { mta = \"${3^^}\"; tsel = \"$3.$1\"; }; associations = { idle = \"30s\"; }; $5 };"
}

END_TIMES='open = { interval = "1s"; }; transfer = { interval = "1s"; };'

spec() { echo "$1,normal,${1^^},$1.$1,${2^^},$2.$1"; } # END ITS_MTA, for the driver

links() { # US PEER one|own
    local n hop source

    for n in $LINKS; do
        hop=$(far_of "$3" "$n") source=$(vip_of "$3" "$n")
        [ "$1" = cluster ] || { hop=$source && source=$(far_of "$3" "$n"); }
        connector "l$n" "$1" "$2" "[$hop]:102" "mode = \"${MODES[n - 1]}\"; source = [ \"$source\" ]; $TIMES"
    done
}

link_routes() { # ADDRESS_SPACE: each connector has a part of it
    local n

    for n in $LINKS; do echo "  { to = \"$1/P=L$n/\"; via = [ \"l$n\" ]; },"; done
}

cluster_config() { # one|own
    cat >"$CASE_OUT/cluster.conf.in" <<CONF
instance = "bridgehead";
hostname = "mx.lab.example";
user = "bridgehead";
vip = [ @VIPS@ ];
store = { path = "/srv/bridgehead"; reserve = "64MiB"; lease = "6s"; };
cluster = { mode = "pacemaker"; };
log = { to = "file:/var/log/bridgehead/bridgehead.log"; level = "debug"; };
listener = { p1 = { protocol = "x400"; address = "vip"; }; };
x400 = { domain = "/C=GB/A= /P=CLUSTER/"; mta = "CLUSTER"; };
connector = {
$(links cluster far "$1")
$(connector alice cluster alice "[$CLIENT]:2101" 'schedule = [ "never" ];')
$(connector carol cluster carol "[$CLIENT]:2103" "$END_TIMES")
};
route = (
$(link_routes /C=FR/A=BOB)
  { to = "/C=DE/A=CAROL/"; via = [ "carol" ]; }, { to = "/C=DE/A=ALICE/"; via = [ "alice" ]; } );
retry = { schedule = [ "1s" ]; destination = [ "200ms" ]; };
CONF
}

far_config() { # one|own
    cat >"$CASE_OUT/far/far.conf" <<CONF
hostname = "far.lab.example";
user = "nobody";
vip = [ "$FAR", "$(far_of own 2)", "$(far_of own 3)", "$(far_of own 4)" ];
store = { path = "/mnt/store"; reserve = "64MiB"; };
log = { to = "file:/mnt/far.log"; level = "debug"; };
listener = { p1 = { protocol = "x400"; address = "vip"; }; };
x400 = { domain = "/C=FR/A= /P=FAR/"; mta = "FAR"; };
connector = {
$(links far cluster "$1")
$(connector dave far dave "[127.0.0.1]:2104" 'schedule = [ "never" ];')
$(connector bob far bob "[127.0.0.1]:2102" "$END_TIMES")
};
route = (
$(link_routes /C=DE/A=CAROL)
  { to = "/C=FR/A=BOB/"; via = [ "bob" ]; }, { to = "/C=FR/A=DAVE/"; via = [ "dave" ]; } );
retry = { schedule = [ "1s" ]; destination = [ "200ms" ]; };
CONF
}

# Every node gets the configuration as it is now; the addresses are its own.
cluster_reload() {
    local node

    for node in node1 node2 node3; do
        lab exec "$node" sh -c 'sed "s|^vip = .*|$(grep "^vip = " "$1")|" "$2" >"$1.new" && mv "$1.new" "$1"' sh \
            /etc/bridgehead/bridgehead.conf "$CASE_OUT/cluster.conf.in"
    done
    lab exec "$(lab owner)" bridgehead reload >/dev/null
}

# ---- the ends

x400_start() { # one|own: the far one, and who receives
    DRIVER=$(x400_driver)
    head -c "$CONTENT_BYTES" /dev/urandom >"$CASE_OUT/content"
    mkdir "$CASE_OUT/bob" "$CASE_OUT/carol"
    far_prepare "$1"
    far_start
    lab exec client "$DRIVER" receive "$CASE_OUT/carol" "$CLIENT" 2103 "$(spec carol cluster)" 2>"$CASE_OUT/carol.err" &
    case_jobs="$case_jobs $!"
    lab exec remote "$DRIVER" receive "$CASE_OUT/bob" 127.0.0.1 2102 "$(spec bob far)" 2>"$CASE_OUT/bob.err" &
    case_jobs="$case_jobs $!"
    : >>"$CASE_OUT/bob/log"
    : >>"$CASE_OUT/carol/log"
}

x400_stop() { # what case_end would wait for
    local job

    for job in $case_jobs; do kill "$job" 2>/dev/null || true; done
    for job in $case_jobs; do wait "$job" 2>/dev/null || true; done
    case_jobs=''
}

# hand_in [LINK...]: messages of ten megabytes over each connector in each direction; handed_in: all are confirmed
hand_in() {
    local n put='' id i

    batch=$((batch + 1))
    for n in "$@"; do
        id=O$batch.L$n
        ID=$id SOURCE=$CLIENT lab exec client "$DRIVER" send "$VIP" 102 "$(spec alice cluster)" /C=DE/A=ALICE/S=a/ \
            message "$CASE_OUT/content" "$EACH" "/C=FR/A=BOB/P=L$n/S=b/" >"$CASE_OUT/put.$id" &
        put="$put $!"
        for i in $(seq "$EACH"); do given="$given $id-$i"; done
        id=I$batch.L$n
        ID=$id lab exec remote "$DRIVER" send "$FAR" 102 "$(spec dave far)" /C=FR/A=DAVE/S=d/ \
            message "$CASE_OUT/content" "$EACH" "/C=DE/A=CAROL/P=L$n/S=c/" >"$CASE_OUT/put.$id" &
        put="$put $!"
        for i in $(seq "$EACH"); do given="$given $id-$i"; done
    done
    handing=$put
}

handed_in() {
    local job

    for job in $handing; do wait "$job" || fail "a message was not taken: $(head -n 3 "$CASE_OUT"/put.*)"; done
    rm -f "$CASE_OUT"/put.*
}

# under_way LINK BYTES: the far one is past so much of a transfer each way, and neither is at its end
under_way() {
    far --json connector show "l$1" | python3 -c '
import json, sys
at = json.load(sys.stdin)["associations"]
past = [a for a in at if a["done_bytes"] >= int(sys.argv[1])]
sys.exit(not any(a["receiving"] == "take" for a in past) or not any(a["sending"] == "send" for a in past))' "$2"
}

# strike FAULT OWNER: it has happened, and whoever was to be fenced is, and may come back
strike() {
    case $1 in
    move) lab move ;;
    cut) lab kill "$2" ;;
    freeze) lab freeze "$2" ;;
    partition) lab partition "$2" all ;;
    peers) lab partition "$2" peers ;;
    kill) strike_in "$2" kill -9 "$(server_pid "$2")" ;;
    both) kill_both "$2" ;;
    far) far_kill && far_start ;;
    *) fail "no such fault: $1" ;;
    esac >/dev/null
    case $1 in cut | freeze | partition | peers) lab wait fenced "$2" ;; esac
    case $1 in partition | peers) lab heal "$2" ;; esac
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local limit=$((SECONDS + $1)) what=$2

    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$limit" ] || fail "not in time: $what"
        sleep 0.1
    done
}

came() { # ID...: to bob (O...) or carol (I...)
    local id

    for id in "$@"; do
        case $id in O*) grep -q "id $id trace" "$CASE_OUT/bob/log" ;; *) grep -q "id $id trace" "$CASE_OUT/carol/log" ;; esac || return 1
    done
}

# Octet for octet; what was looked at is removed.
contents_are_whole() {
    local file

    for file in "$CASE_OUT"/{bob,carol}/*.content; do
        [ ! -e "$file" ] || cmp -s "$file" "$CASE_OUT/content" || fail "a content is not what was sent: $file"
        rm -f "$file" "${file%.content}"
    done
}

queues_are_empty() {
    far --json status | grep -q '"messages": *0' &&
        lab exec "$(lab owner)" bridgehead --json status 2>/dev/null | grep -q '"messages": *0'
}

wire_bytes() { # that came to the far one's host and left it
    lab exec remote cat /sys/class/net/eth0/statistics/rx_bytes /sys/class/net/eth0/statistics/tx_bytes | tr '\n' ' '
}

# tally OPTION...: support/x400-tally with all records
tally() {
    local node nodes=''

    for node in node1 node2 node3; do
        lab log "$node" mta >"$CASE_OUT/$node.log" 2>/dev/null || true
        nodes="$nodes --cluster $CASE_OUT/$node.log"
    done
    # shellcheck disable=SC2086
    "$SUPPORT/x400-tally" --far "$CASE_OUT/far/far.log" $nodes --bob "$CASE_OUT/bob/log" --carol "$CASE_OUT/carol/log" "$@"
}
