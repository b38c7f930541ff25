#!/usr/bin/env bash
# 62-checkpoint-kills - two Bridgeheads under load, killed at random: nothing is lost, and nothing comes twice.
# KILLS in each of both parts (8; more for a campaign), RATE messages a second (300); CHECKPOINT=false is the control:
# it fails, with some that came twice.
. "$(dirname "${BASH_SOURCE[0]}")/../daemon.sh"
own_host "$@"
far=192.0.2.11
kills=${KILLS:-8}
rate=${RATE:-300}

serves() { bridgehead --config "/mnt/$1.conf" probe >/dev/null 2>&1; }
gone() { [[ ! -e /proc/$1 ]]; }
# The whole daemon: a keeper starts its server again three times in five minutes only.
kill_daemon() {
    local keeper server
    keeper=$(keeper_pid "$1")
    server=$(server_pid "$1")
    kill -KILL "$keeper"
    kill -KILL "$server" 2>/dev/null || true # it dies with its keeper
    wait_for 10 "the end of $1" gone "$keeper"
    wait_for 10 "the end of $1's server" gone "$server"
    start_daemon "$1"
    wait_for 20 "$1 serving" serves "$1"
}
queued() { [[ $(bridgehead --config "/mnt/$1.conf" status --json 2>/dev/null | field queue.messages) = "$2" ]]; }
count() { grep -c -- "$1" "/mnt/$2.log" || true; }
storm() { # NAME...: one of them dies, again and again
    local names=("$@") i
    "$support/sender" --to $vip --out /mnt/sent --tag "$tag" --rate "$rate" --until /mnt/enough &
    sender=$!
    started $sender
    for ((i = 0; i < kills; i++)); do
        sleep "0.$((RANDOM % 90 + 10))" # any moment of the load will do
        kill_daemon "${names[RANDOM % ${#names[@]}]}"
    done
    touch /mnt/enough
    wait $sender
    rm /mnt/enough
    bridgehead --config /mnt/relay.conf queue retry --selector all >/dev/null
    wait_for 60 "an empty queue" queued relay 0
}
ids() { # on standard input, anything: the numbers of this part's messages, with repetitions
    grep -o "$tag-[0-9]*@" | sort
}
exactly_once() { # FILE: what came
    local acked=/mnt/acked came=/mnt/came
    grep '"acked"' /mnt/sent | grep -o "\"id\": *\"$tag-[0-9]*\"" | grep -o "$tag-[0-9]*" | sort -u >$acked
    sed 's/@$//' "$1" | sort >$came
    [[ -s $acked ]] || fail "nothing was acknowledged"
    echo "$(wc -l <$acked) acknowledged, $(wc -l <$came) came; asked for again: $(count smtp.in.known far)"
    [[ -z $(comm -23 $acked <(sort -u $came)) ]] || fail "lost: $(comm -23 $acked <(sort -u $came) | head)"
    [[ -z $(uniq -d $came) ]] || fail "twice: $(uniq -d $came | head)"
}

sink_start
write_config far "listener = { mx = { protocol = \"smtp\"; address = \"vip\"; port = 25; checkpoint = ${CHECKPOINT:-true}; }; };" \
    'hostname = "far.example.org";' "vip = [\"$far\"];" \
    'connector = { up = { protocol = "smtp"; next_hop = ["[127.0.0.1]:2525"]; }; };' \
    'retry = { schedule = ["1s"]; destination = ["200ms"]; };' \
    'limits = { sessions_per_client = 0; };'
write_config relay \
    "connector = { up = { protocol = \"smtp\"; next_hop = [\"[$far]:25\"]; source = [\"$vip\"]; }; };" \
    'retry = { schedule = ["1s"]; destination = ["200ms"]; };' 'limits = { sessions_per_client = 0; };'
start_daemon far
start_daemon relay
wait_for 10 "serving" serves relay
wait_for 10 "serving" serves far

echo "either dies; what came is still there"
tag=both
bridgehead --config /mnt/far.conf connector suspend up >/dev/null
storm relay far
bridgehead --config /mnt/far.conf queue list --json | ids >/mnt/came.both
exactly_once /mnt/came.both
bridgehead --config /mnt/far.conf connector resume up >/dev/null
wait_for 60 "an empty queue" queued far 0

echo "the sender dies; what came has gone on long ago"
tag=gone
storm relay
wait_for 60 "an empty queue" queued far 0
grep '"dot"' /mnt/sink | grep -o "\"id\": *\"$tag-[0-9]*\"" | grep -o "$tag-[0-9]*" >/mnt/came.gone
exactly_once /mnt/came.gone

stop_daemon relay
stop_daemon far
sink_stop
echo "all as it should be"
