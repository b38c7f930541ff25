#!/usr/bin/env bash
# No packet leaves from another address than the VIP: while connections are made, while they flow,
# while the VIP is taken away under them, and while it is gone; not even where the kernel lets a
# socket bind an address that is not there. IPv4 and IPv6. By packet capture on the other host.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
two_hosts "$@"
driver=$BRIDGEHEAD_BUILD/tests/integration/10-egress-source_driver
[[ -x $driver ]] || fail "$driver is not built"

# The node's own addresses come first: without a bind the kernel would choose them.
ip addr add 192.0.2.100/24 dev near
ip addr add 2001:db8::100/64 dev near nodad
there ip addr add 192.0.2.1/24 dev far
there ip addr add 2001:db8::1/64 dev far nodad

says() { [[ $(tail -n 1 "$1") = "$2" ]]; }
now() { date +%s.%N; }

# round NAME FAMILY VIP/BITS REMOTE: twice there and gone under traffic.
round() {
    local name=$1 family=$2 vip=${3%/*} vip_bits=$3 to=$4
    local cap=$scratch/$name.pcap said=$scratch/$name.said leaves=() gone=() back=() i
    local options=()

    [[ $family = ip ]] || options=(nodad)
    touch "$said" "$scratch/$name.sink"
    capture "$cap"
    there_started "$driver" sink "$to" >"$scratch/$name.sink"
    wait_for 20 "the sink" says "$scratch/$name.sink" ready
    # without a single capability, as the server runs
    setpriv --bounding-set=-all --inh-caps=-all -- "$driver" send "$vip" "$to" >"$said" &
    started $!
    wait_for 20 "refusal before the VIP comes" says "$said" silent
    for i in 0 1 2; do
        ip addr add "$vip_bits" dev near "${options[@]}"
        wait_for 20 "traffic, $name" says "$said" flowing
        sleep 0.3 # let it flow
        leaves+=("$(now)")
        ip addr del "$vip_bits" dev near
        wait_for 20 "silence, $name" says "$said" silent
        gone+=("$(now)")
        sleep 1 # long enough for the kernel's retransmissions, were there any
        back+=("$(now)")
    done
    # The capture would show it: one packet of the node's own, to another port.
    (echo >"/dev/tcp/$to/9") 2>/dev/null || true
    wait_for 20 "the control packet" control "$cap" "$family"
    capture_end "$cap"
    end_round
    judge "$name" "$family" "$vip" "$to" "$cap"
}

control() { [[ -n $(packets "$1" "$2 and tcp and dst port 9") ]]; }

# All but the other namespace.
end_round() {
    local keep=${started_pids[0]}
    started_pids=("${started_pids[@]:1}")
    end_started
    started_pids=("$keep")
}

between() { awk -v from="$1" -v to="$2" '$1 > from && $1 < to'; }
judge() {
    local name=$1 family=$2 vip=$3 to=$4 cap=$5 count wrong i
    count=$(packets "$cap" "$family and tcp and src host $vip and dst host $to" | wc -l)
    ((count > 100)) || fail "$name: only $count packets from the VIP: nothing is proved"
    wrong=$(packets "$cap" "$family and tcp and dst host $to and not src host $vip and not dst port 9")
    [[ -z $wrong ]] || fail "$name: packets left from another address: $wrong"
    for i in "${!gone[@]}"; do
        wrong=$(packets "$cap" "$family and tcp and dst host $to and src host $vip" |
            between "${gone[i]}" "${back[i]}")
        [[ -z $wrong ]] || fail "$name: packets left while the VIP was gone: $wrong"
        # Later the kernel may: to packets for a connection that it does not know.
        wrong=$(packets "$cap" "$family and src host $vip and $reset" |
            between "${leaves[i]}" "${back[i]}")
        [[ -z $wrong ]] || fail "$name: cutting connections sent resets: $wrong"
    done
    echo "$name: $count packets, all from $vip, none while it was gone"
}
reset='tcp[tcpflags] & tcp-rst != 0'

round v4 ip 192.0.2.10/24 192.0.2.1
reset='ip6[6] == 6 and ip6[53] & 4 != 0'
round v6 ip6 2001:db8::10/64 2001:db8::1
echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind
echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind
reset='tcp[tcpflags] & tcp-rst != 0'
round v4-nonlocal ip 192.0.2.10/24 192.0.2.1
reset='ip6[6] == 6 and ip6[53] & 4 != 0'
round v6-nonlocal ip6 2001:db8::10/64 2001:db8::1
echo "passed"
