#!/usr/bin/env bash
# The resource agent without a cluster: each action in each state of the daemon, the node and the configuration.
# shellcheck disable=SC2119 # most arguments of daemon.sh are optional
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/daemon.sh
. "$here/../daemon.sh"
agent=$tests/../ra/mta
export OCF_ROOT=/usr/lib/ocf
[[ -r $OCF_ROOT/lib/heartbeat/ocf-shellfuncs ]] || skip "resource-agents is not installed"
own_host "$@"

export OCF_RESOURCE_INSTANCE=mta OCF_RESOURCE_TYPE=mta OCF_RESOURCE_PROVIDER=bridgehead HA_LOGFACILITY=none
export OCF_RA_VERSION_MAJOR=1 OCF_RA_VERSION_MINOR=1 HA_RSCTMP=/run/resource-agents
export OCF_RESKEY_CRM_meta_timeout=30000 OCF_RESKEY_CRM_meta_on_node=n1 OCF_RESKEY_CRM_meta_interval=10000
export OCF_RESKEY_config=/mnt/relay.conf OCF_RESKEY_vip=$vip
export OCF_RESKEY_binary=$BRIDGEHEAD_BUILD/mta/app/bridgeheadd OCF_RESKEY_ctl=$BRIDGEHEAD_BUILD/mta/tools/bridgehead
mkdir -p $HA_RSCTMP

# The cluster's commands: attrd_updater writes down what it is told, the others say what the test put there.
mkdir /mnt/bin
cat >/mnt/bin/attrd_updater <<'SH'
#!/bin/sh
printf "%s\n" "$*" >>/mnt/attributes
SH
cat >/mnt/bin/crm_mon <<'SH'
#!/bin/sh
cat /mnt/crm_mon.xml
SH
cat >/mnt/bin/crm_resource <<'SH'
#!/bin/sh
case "$*" in
*"--resource vip --get-parameter ip"*) echo 192.0.2.10 ;;
*"--resource vip2 --get-parameter ip"*) echo 192.0.2.11 ;;
*) echo "no such resource" >&2; exit 105 ;;
esac
SH
chmod +x /mnt/bin/*
PATH=/mnt/bin:$PATH

act() { # CODE WHAT ACTION [NAME=VALUE...]
    local code=$1 what=$2 action=$3

    shift 3
    expect "$code" "$what" env "$@" "$agent" "$action"
}
reason() { grep '^ocf-exit-reason:' /mnt/out | grep -qF -- "$1" || fail "no exit reason \"$1\" in: $out"; }
crm_mon_says() { # STONITH MAINTENANCE ONLINE UNCLEAN RUNNING: of node n0
    cat >/mnt/crm_mon.xml <<XML
<pacemaker-result api-version="2.25" request="crm_mon">
  <summary>
    <cluster_options stonith-enabled="$1" symmetric-cluster="true" no-quorum-policy="stop" maintenance-mode="$2" stop-all-resources="false" stonith-timeout-ms="20000" priority-fencing-delay-ms="0"/>
  </summary>
  <nodes>
    <node name="n0" id="1" online="$3" standby="false" standby_onfail="false" maintenance="false" pending="false" unclean="$4" health="green" feature_set="3.16.1" shutdown="false" expected_up="true" is_dc="false" resources_running="$5" type="member"/>
    <node name="n1" id="2" online="true" standby="false" standby_onfail="false" maintenance="false" pending="false" unclean="false" health="green" feature_set="3.16.1" shutdown="false" expected_up="true" is_dc="true" resources_running="4" type="member"/>
  </nodes>
  <status code="0" message="OK"/>
</pacemaker-result>
XML
}
owner() { bh store owner; }
attribute() { grep -q -- "-n bridgehead-relay-$1" /mnt/attributes 2>/dev/null; }

# ---- what it says of itself
act 0 "meta-data" meta-data
if command -v xmllint >/dev/null && [[ -r /usr/share/resource-agents/ra-api-1.dtd ]]; then
    (cd /usr/share/resource-agents && xmllint --noout --valid - </mnt/out) || fail "the meta-data is not valid"
fi
act 0 usage usage
act 3 "an unknown action" frobnicate
act 3 "promote" promote

# ---- never started here: no run directory, no store, perhaps no file
act 7 "probe when never started" monitor OCF_RESKEY_CRM_meta_interval=0
act 0 "stop when never started" stop
write_config
act 7 "probe when stopped" monitor
act 7 "probe with the store unmounted" monitor OCF_RESKEY_CRM_meta_interval=0
act 0 "validate-all" validate-all

# ---- start, monitor, stop
act 0 "start" start
act 0 "start twice" start
act 0 "monitor" monitor
wait_for 10 "the attributes" attribute epoch
for name in state queue oldest connectors-down epoch; do attribute $name || fail "no attribute $name"; done
grep -q -- '-n bridgehead-relay-state -U serving' /mnt/attributes || fail "$(cat /mnt/attributes)"
set_before=$(wc -l </mnt/attributes)
for level in 0 10 20; do act 0 "monitor of depth $level" monitor OCF_CHECK_LEVEL=$level; done
act 0 "reload-agent" reload-agent
act 0 "stop" stop
act 0 "stop twice" stop
act 7 "monitor after stop" monitor
[[ $(owner) = released* ]] || fail "$(owner)"
# the last wait of this: only what changed was set, and all is deleted once it is stopped
wait_for 20 "the attributes to be deleted" grep -q -- '-n bridgehead-relay-epoch -D' /mnt/attributes
(($(grep -c -- -U /mnt/attributes) == set_before)) || fail "unchanged attributes were set again: $(cat /mnt/attributes)"

# ---- degraded is not failed
write_config relay 'vip_grace = "0s";'
ip addr del $vip/32 dev lo
act 0 "start without the VIP" start
wait_for 10 "the degraded state" degraded vip-missing
act 190 "monitor without the VIP" monitor
act 0 "start of what runs degraded" start
ip addr add $vip/32 dev lo
wait_for 10 "recovery" serving_state
act 0 "monitor with the VIP" monitor

# ---- a broken configuration stops nothing from stopping
echo 'bogus = 1;' >>/mnt/relay.conf
act 0 "monitor with a broken configuration" monitor
act 1 "reload-agent with a broken configuration" reload-agent
reason bogus
serving || fail "a refused reload ended the daemon"
act 5 "validate-all with a broken configuration" validate-all
reason bogus
act 0 "stop with a broken configuration" stop
act 7 "stopped with a broken configuration" monitor
[[ ! -e /run/bridgehead/relay/pid ]] || fail "still there"
act 5 "start with a broken configuration" start
reason "bogus"
reason "[1101 conf.key.unknown]"
rm /mnt/relay.conf
act 5 "start without a configuration" start
reason /mnt/relay.conf
act 0 "stop without a configuration" stop
act 7 "monitor without a configuration" monitor
write_config
start_daemon
rm /mnt/relay.conf
act 0 "stop of a running daemon without a configuration" stop
act 7 "stopped without a configuration" monitor
write_config

# ---- a server that hangs
act 0 "start before the hang" start
kill -STOP "$(server_pid)"
act 1 "monitor of a hung server" monitor
reason "hangs"
act 0 "stop of a hung server" stop
no_daemon || fail "processes are left: $(pgrep -af bridgeheadd)"
[[ $(owner) = dead* ]] || fail "the store of a killed server is not marked: $(owner)"
act 7 "monitor after the hung server" monitor

# ---- both processes killed; a stale pid file that names another process
act 0 "start before the kill" start
kill -KILL "$(keeper_pid)"
wait_for 10 "the server's end" no_daemon
act 7 "monitor after SIGKILL" monitor
echo $$ >/run/bridgehead/relay/pid
act 0 "stop with a stale pid file" stop
[[ $(owner) = dead* ]] || fail "$(owner)"
act 0 "start with a stale pid file" start

# ---- the store is unmounted under it
umount_store() { mv /mnt/relay.store /mnt/elsewhere; }
umount_store
act 0 "stop with the store gone" stop
act 7 "monitor with the store gone" monitor
act 7 "probe with the store gone" monitor OCF_RESKEY_CRM_meta_interval=0
act 0 "stop again with the store gone" stop
act 5 "start with the store gone" start
reason "/mnt/relay.store"
reason "[1012 app.store.missing]"
mv /mnt/elsewhere /mnt/relay.store
act 0 "start with the store back" start
act 0 "stop" stop

# ---- the package is gone
act 5 "start without the program" start OCF_RESKEY_binary=/nowhere/bridgeheadd
act 7 "monitor without the program" monitor OCF_TESTER_FAIL_HAVE_BINARY=1
act 7 "monitor without the command" monitor OCF_RESKEY_ctl=/nowhere/bridgehead
act 0 "stop without the command" stop OCF_RESKEY_ctl=/nowhere/bridgehead
start_daemon
act 1 "monitor without the command, of a running daemon" monitor OCF_RESKEY_ctl=/nowhere/bridgehead
act 0 "stop without the command, of a running daemon" stop OCF_RESKEY_ctl=/nowhere/bridgehead
wait_for 10 "the end" no_daemon

# ---- the VIPs
act 6 "vip and vip_resource" validate-all OCF_RESKEY_vip_resource=vip
reason "not both"
act 6 "an IPaddr2 that is not there" start OCF_RESKEY_vip= OCF_RESKEY_vip_resource=nonesuch
reason nonesuch
act 5 "other VIPs than in the file" start OCF_RESKEY_vip= OCF_RESKEY_vip_resource=vip2
reason 192.0.2.11
write_config relay 'vip = [];' 'cluster = { mode = "none"; };'
act 0 "VIPs from two resources" start OCF_RESKEY_vip= "OCF_RESKEY_vip_resource=vip vip2"
[[ $(bh status --json | field vips.1.address) = 192.0.2.11 ]] || fail "$(bh status)"
act 0 "stop" stop
write_config

# ---- a last owner on another node: dead only if the cluster says so
other_owner() { # leaves the store active under node n0
    start_daemon relay --node n0
    kill -KILL "$(keeper_pid)"
    wait_for 10 "the other owner's end" no_daemon
    rm -f /run/bridgehead/relay/pid
}
cause() { bh failover report --json | field cause; }
# Not confirmed dead, its lease is waited for: a short one here.
write_config relay 'store = { path = "/mnt/relay.store"; reserve = "8MiB"; lease = "1s"; };'
while read -r stonith maintenance online unclean running fenced; do
    other_owner
    crm_mon_says "$stonith" "$maintenance" "$online" "$unclean" "$running"
    act 0 "start; n0: stonith $stonith, maintenance $maintenance, online $online, unclean $unclean, $running active" start
    if [[ $fenced = yes ]]; then
        [[ $(cause) = fenced ]] || fail "cause: $(cause)"
    else
        [[ $(cause) = lease ]] || fail "cause: $(cause)"
    fi
    act 0 "stop" stop
done <<'TABLE'
true  false false false 0 yes
false false false false 0 no
true  true  false false 0 no
true  false true  false 0 no
true  false false true  0 no
true  false false false 4 no
TABLE
