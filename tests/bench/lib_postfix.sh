# shellcheck shell=bash
# shellcheck disable=SC2154 # work, build, port and the addresses are set in run
# The Postfix side of tests/bench/run: a private instance below $work, with the settings that let it run as
# fast as it can and stay durable (docs/perf.md lists them). The host's own Postfix is not touched: queue,
# data, configuration, pid file and log are elsewhere, and the port is in another network namespace.

postfix_prepare() {
    local dir=$work/postfix

    command -v postfix >/dev/null || die "postfix is not installed (apt-get install postfix), or use --targets bridgehead"
    postfix_version=$(postconf -d -h mail_version)
    mkdir -p "$dir/data"
    chown postfix "$dir/data"
    say "postfix $postfix_version"
}

postfix_write_config() { # VARIANT
    local dir=$work/postfix active=60000 hold=""

    case $1 in
    small) active=2000 ;;
    hold) hold="check_client_access static:HOLD," ;;
    esac
    rm -rf "$dir/conf"
    mkdir -p "$dir/conf"
    cat >"$dir/conf/transport" <<CONF
good.test smtp:[${sink_good%:*}]:${sink_good#*:}
second.test smtp:[${sink_second%:*}]:${sink_second#*:}
* smtp:[${sink_good%:*}]:${sink_good#*:}
CONF
    cat >"$dir/conf/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
command_directory = /usr/sbin
daemon_directory = $(postconf -d -h daemon_directory)
mail_owner = postfix
setgid_group = postdrop
maillog_file = $dir/maillog
maillog_file_prefixes = $work
myhostname = postfix.bench.test
mydomain = bench.test
mydestination =
local_recipient_maps =
local_transport = error:no local mail here
alias_maps =
alias_database =
inet_interfaces = $postfix_address
inet_protocols = ipv4
mynetworks = 192.0.2.0/24
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = $hold permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtp_dns_support_level = disabled
smtpd_tls_security_level = none
smtp_tls_security_level = none
transport_maps = texthash:$dir/conf/transport
default_process_limit = 1200
default_destination_concurrency_limit = 100
initial_destination_concurrency = 100
qmgr_message_active_limit = $active
qmgr_message_recipient_limit = $active
in_flow_delay = 0
smtp_connection_cache_destinations = [${sink_good%:*}]:${sink_good#*:}, [${sink_second%:*}]:${sink_second#*:}
message_size_limit = 209715200
mailbox_size_limit = 0
queue_minfree = 0
notify_classes =
CONF
    cat >"$dir/conf/master.cf" <<CONF
$postfix_address:$port inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
CONF
}

postfix_pid() {
    tr -d ' ' <"$work/postfix/queue/pid/master.pid"
}

# Start with an empty queue. Variants: relay; hold (accepts, delivers nothing); small (active queue of 2,000).
postfix_start() { # VARIANT
    local dir=$work/postfix

    postfix_write_config "$1"
    rm -rf "$dir/queue" "$dir/maillog"
    mkdir -p "$dir/queue"
    sync
    (exec_in_cgroup postfix -c "$dir/conf" start) >"$dir/start.log" 2>&1 ||
        die "postfix does not start: $(cat "$dir/start.log" "$dir/maillog" 2>/dev/null)"
    wait_for_greeting "$postfix_address" "$port" 30 ||
        die "postfix does not greet: $(tail -n 5 "$dir/maillog")"
}

postfix_stop() {
    local dir=$work/postfix pid

    [ -s "$dir/queue/pid/master.pid" ] || return 0
    pid=$(postfix_pid)
    postfix -c "$dir/conf" abort >>"$dir/start.log" 2>&1 || true
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.05
    done
    cgroup_empty
    rm -rf "$dir/queue"
}
