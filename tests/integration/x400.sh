# x400.sh - daemons that speak P1 to one another, and ends of a few lines that send to them and take from them
# (81-x400-relay/relay_driver.c). Source it behind daemon.sh and own_host, with the tables at and port: by name, the
# addresses and ports of all.
# shellcheck shell=bash disable=SC2154,SC2034 # at, port, tests; instance
driver=$BRIDGEHEAD_BUILD/tests/integration/81-x400-relay_driver

# connector NAME US PEER LINK [LINE [LOCAL [REMOTE]]]: both sides' T-selectors are the name and the LINK; more of its keys, and of
# its groups local and remote
connector() {
    local name=$1 us=$2 peer=$3 link=$4 more=${5:-} ours=${6:-} theirs=${7:-}

    echo "$name = { protocol = \"x400\"; next_hop = [\"[${at[$peer]}]:${port[$peer]}\"];
        local = { mta = \"${us^^}\"; tsel = \"$us.$link\"; $ours };
        remote = { mta = \"${peer^^}\"; tsel = \"$peer.$link\"; $theirs };
        open = { interval = \"1s\"; }; transfer = { interval = \"1s\"; }; $more };"
}
# relay NAME CONNECTORS ROUTES [LINE...]
relay() {
    local name=$1 connectors=$2 routes=$3

    shift 3
    write_config "$name" "vip = [\"${at[$name]}\"];" "listener = { p1 = { protocol = \"x400\"; address = \"vip\"; }; };" \
        "x400 = { domain = \"/C=GB/A= /P=${name^^}/\"; mta = \"${name^^}\"; };" "connector = { $connectors };" "route = ( $routes );" \
        'drain = "300ms";' "$@"
    instance=$name
    start_daemon
    wait_for 10 "$name serves" serving
}
# extend NAME CONNECTORS [ROUTES]: more of them, by a reload
extend() {
    local connectors=${2//$'\n'/ } routes=${3:-} instance=$1

    sed -i "s|^connector = { |&$connectors |; s|^route = ( |&${routes//$'\n'/ } |" "/mnt/$1.conf"
    bh reload >/dev/null || fail "the reload of $1"
}
spec() { echo "$1,${5:-normal},${2^^},$2.$4,${3^^},$3.$4"; } # NAME US PEER LINK [MODE]
# hand ME PEER LINK KIND FILE COUNT RECIPIENT...: an end hands it to its relay; from $FROM, who is of alice's
hand() {
    local me=$1 peer=$2 link=$3 kind=$4 file=$5 count=$6

    shift 6
    "$driver" send "${at[$peer]}" "${port[$peer]}" "$(spec "$peer" "$me" "$peer" "$link")" "${FROM:-/C=DE/A=ALICE/S=a/}" \
        "$kind" "$file" "$count" "$@"
}
put() { hand alice london in "$@"; } # KIND FILE COUNT RECIPIENT...: alice hands it to london
came() { grep -qsE -- "$2" "/mnt/$1/log"; }
same() { cmp "$1" "/mnt/bob/bob.$2.content" || fail "content $2 is not what was sent"; }
number() { awk -v id="$2" '$5 == id { print $3 }' "/mnt/$1/log" | head -1; } # WHO ID: its file
empty() { [[ $(bridgehead --config "/mnt/$1.conf" status --json | field queue.messages) = 0 ]]; }
logged() { grep -qs -- "$2" "/mnt/$1.log"; } # WHO PATTERN: a thread of its own writes it, a little later
