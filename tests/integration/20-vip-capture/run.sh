#!/usr/bin/env bash
# The whole daemon, DNS and SMTP, IPv4 and IPv6: no packet leaves from another address than the VIPs,
# also while they are taken away under traffic; nothing is sent while they are gone; when they are
# back it goes on by itself and nothing is lost. By packet capture on the other host.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
own_host "$@"
second_host

vip6=2001:db8::10
ip addr flush dev lo scope global # here the VIP comes and goes on `near`
# The node's own addresses come first: without a bind the kernel would choose them.
ip addr add 192.0.2.100/24 dev near
ip addr add 2001:db8::100/64 dev near nodad
there ip addr add 192.0.2.1/24 dev far
there ip addr add 192.0.2.53/24 dev far
there ip addr add 2001:db8::1/64 dev far nodad

vips_come() {
    ip addr add "$vip/24" dev near
    ip addr add "$vip6/64" dev near nodad
}
vips_go() {
    ip addr del "$vip/24" dev near
    ip addr del "$vip6/64" dev near
}
present() { [[ $(bh status --json | field vips.0.present) = "$1" && $(bh status --json | field vips.1.present) = "$1" ]]; }
taken_from() { grep -c "^$1 " /mnt/world || true; }
more_from() { (($(taken_from "$1") > $2)); }
# Mail goes out over both families again.
flows() {
    local v4 v6

    v4=$(taken_from "$vip") v6=$(taken_from "$vip6")
    wait_for 30 "mail from $vip" more_from "$vip" $((v4 + 10))
    wait_for 30 "mail from $vip6" more_from "$vip6" $((v6 + 10))
}
now() { date +%s.%N; }

there_started "$here/peers.py" world /mnt/world
wait_for 10 "the world" grep -qs ready /mnt/world
capture /mnt/all.pcap

write_config relay "vip = [\"$vip\", \"$vip6\"];" 'dns = { servers = ["192.0.2.53"]; };' \
    'listener = { mx = { protocol = "smtp"; address = "127.0.0.1"; port = 25; }; };' \
    'connector = { out = { protocol = "smtp"; }; };' 'route = ( { to = "*"; via = ["out"]; } );'
vips_come
start_daemon relay
"$here/peers.py" load /mnt/sent /mnt/stop &
load_job=$!
started $load_job
wait_for 20 "VIPs" present true
gone=() back=()
for _ in 1 2 3; do
    flows
    vips_go
    wait_for 20 "the daemon to know that the VIPs left" present false
    gone+=("$(now)")
    sleep 1 # longer than the kernel's retransmissions and ours would wait
    back+=("$(now)")
    vips_come
    wait_for 20 "VIPs" present true
done
flows
touch /mnt/stop
wait $load_job
ended $load_job
wait_for 60 "an empty queue" drained
stop_daemon relay

# The capture would show it: one packet of the node's own, to another port.
(echo >/dev/tcp/192.0.2.1/9) 2>/dev/null || true
control() { [[ -n $(packets /mnt/all.pcap "tcp and dst port 9") ]]; }
wait_for 10 "the control packet" control
capture_end /mnt/all.pcap

ours="(ip or ip6) and (tcp or udp) and (dst net 192.0.2.0/24 or dst net 2001:db8::/64)
    and (src net 192.0.2.96/28 or src net 192.0.2.8/29 or src net 2001:db8::/64)
    and not src host 2001:db8::1 and not dst port 9"
count=$(packets /mnt/all.pcap "$ours" | wc -l)
queries=$(packets /mnt/all.pcap "udp and dst port 53 and src host $vip" | wc -l)
((queries > 50 && count > 500)) || fail "only $queries DNS queries, $count packets: nothing is proved"
# From here to there everything but the VIPs is wrong: TCP, UDP, whatever the source.
wrong=$(packets /mnt/all.pcap "(tcp or udp) and (dst host 192.0.2.1 or dst host 192.0.2.53 or dst host 2001:db8::1)
    and not src host $vip and not src host $vip6 and not dst port 9")
[[ -z $wrong ]] || fail "packets left from another address: $wrong"
for i in "${!gone[@]}"; do
    wrong=$(packets /mnt/all.pcap "$ours" | awk -v from="${gone[i]}" -v to="${back[i]}" '$1 > from && $1 < to')
    [[ -z $wrong ]] || fail "packets left while the VIPs were gone: $wrong"
done
# What was acknowledged was taken, from the VIP of its family.
lost=$(sort -u /mnt/sent | comm -23 - <(awk '{ print $2 }' /mnt/world | sort -u))
[[ -z $lost ]] || fail "acknowledged and lost: $lost"
! grep -v -e "^$vip .*v4.example" -e "^$vip6 .*v6.example" -e ready /mnt/world || fail "taken from a stranger"
for event in vip.present vip.absent egress.cut; do
    logged "$event" || fail "$event is missing from the log"
done
echo "$(wc -l </mnt/sent) acknowledged, all taken; $count packets and $queries DNS queries, all from the VIPs"
