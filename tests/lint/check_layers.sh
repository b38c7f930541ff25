#!/usr/bin/env bash
# check_layers.sh SOURCE_DIR LAYERS_DIR - the rules of the house that a compiler does not hold.
#
# LAYERS_DIR has a file per module with its DEPENDS, written by mta_module(). Every violation is
# printed as file:line: rule; the exit code is 1 if there was one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
layers=$2
code=$(mktemp)
bad=$(mktemp)
trap 'rm -f "$code" "$bad"' EXIT

mapfile -t sources < <(find mta include -name '*.[ch]' | sort)
awk -f "$here/code.awk" "${sources[@]}" >"$code"

complain() { # complain RULE: each "file:line:..." of stdin
    awk -F: -v rule="$1" 'NF { print $1 ":" $2 ": " rule }' >>"$bad"
}

# only PATTERN ALLOWED RULE: PATTERN may occur only in files that match ALLOWED
only() {
    grep -E "$1" "$code" | grep -vE "^($2):" | complain "$3" || true
}

# call NAME...: a call of one of these functions, not of a member of that name
call() {
    local names
    names=$(IFS='|'; echo "$*")
    echo "(^|[^A-Za-z0-9_.>])($names)[ ]*\\("
}

# ---- who may include whom ----
declare -A depends=()
for file in "$layers"/*; do
    case $file in *.c) continue ;; esac
    depends[$(basename "$file")]=" $(cat "$file") "
done
while IFS=: read -r file line text; do
    folder=${file#mta/}
    folder=${folder%%/*}
    what=${text#*\"}
    what=${what%%\"*}
    to=${what%%/*}
    if [[ $what != */* ]]; then
        echo "$file:$line: include \"$what\" with its folder" >>"$bad"
    elif [[ ! -v depends[$folder] ]]; then
        echo "$file:$line: mta/$folder is no module: call mta_module() in its CMakeLists.txt" >>"$bad"
    elif [[ $to != "$folder" && $to != core && $to != bridgehead && ${depends[$folder]} != *" $to "* ]]; then
        echo "$file:$line: mta/$folder may not include $to/ (its DEPENDS:${depends[$folder]% })" >>"$bad"
    fi
done < <(grep -E '^mta/[^:]*:[0-9]+:[ ]*#[ ]*include[ ]*"' "$code")

if ! cycle=$(for m in "${!depends[@]}"; do
    for d in ${depends[$m]}; do echo "$m $d"; done
done | tsort 2>&1 >/dev/null); then
    echo "mta: the modules depend on each other in a cycle: ${cycle//$'\n'/ }" >>"$bad"
fi

# ---- a library's header in one place ----
include='#[ ]*include[ ]*<'
only "${include}uv\\.h>" 'mta/loop/[^:]*|mta/net/[^:]*|mta/ctl/ctl_server\.c' 'uv.h belongs in loop/, net/ and ctl_server.c'
only "${include}openssl/" 'mta/net/tls\.c' 'OpenSSL belongs in tls.c'
only "${include}corosync/" 'mta/cluster/cluster_corosync\.c' 'corosync belongs in cluster_corosync.c'
only "${include}qb/" 'mta/core/log\.c|mta/ctl/ctl_server\.c|mta/tools/ctl_client\.c' 'libqb belongs in log.c, ctl_server.c and ctl_client.c'
only "${include}unbound" 'mta/net/(resolver|unbound_event)\.[ch]' 'libunbound belongs in resolver.c and unbound_event.c'
only "${include}libconfig\\.h>" 'mta/core/conf\.c' 'libconfig belongs in conf.c'

# ---- a system call in one place ----
only "$(call connect uv_tcp_connect uv_udp_connect)" 'mta/net/egress\.c' 'connect(2) belongs in egress.c: it binds to the VIP first'
only "$(call getaddrinfo gethostbyname uv_getaddrinfo)" 'nowhere' 'names are resolved by net/resolver only'
only "$(call open openat creat fopen pread preadv preadv2 pwrite pwritev pwritev2 fsync fdatasync \
    sync_file_range rename renameat renameat2 link linkat unlink unlinkat truncate ftruncate \
    fallocate posix_fallocate mkdir opendir uv_fs_[a-z]+)" 'mta/core/io\.c' 'files are touched through core/io only'

# ---- banned ----
only "$(call sprintf vsprintf strcpy stpcpy strcat strncpy strncat strtok gets atoi atol atoll alloca)" \
    'nowhere' 'banned function: use snprintf, slices, slice_u64, malloc'
only '(^|[^A-Za-z0-9_])strerror[ ]*\(' 'nowhere' 'strerror is not thread safe: use error_text'

# ---- sizes and names ----
{
    wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 1000 { print $2 ":1: " $1 " lines; 1000 is the limit" }'
    awk 'FNR == 1 { start = 0 }
        /^{/ { start = FNR }
        /^}/ { if (start && FNR - start - 1 > 70)
                   print FILENAME ":" start ": a function of " FNR - start - 1 " lines; 70 is the limit"
               start = 0 }' "${sources[@]}"
    find mta include tests -name '*.[ch]' | sort | awk -F/ '
        { if ($NF in seen) print $0 ":1: " seen[$NF] " has the same file name"; seen[$NF] = $0 }'
} >>"$bad"

sort -u "$bad"
[[ ! -s $bad ]]
