# shellcheck shell=bash
# The interop lab: network namespaces, guests with a real client, and the server under test. Sourced by each scenario.
#
#   guest K 10.1.K.2 ─ tapK [router] 203.0.113.254 ─ wan ─ 203.0.113.1 [server: adit] 192.0.2.1 ─ lan ─ 192.0.2.2 [lan]
#
# The router masquerades the guests (`topology nat`) or routes them (`topology direct`). It knows no way to 192.0.2.0/24:
# what reaches the lan came through the tunnel. Every name carries this run's process id, so runs never meet.
set -euo pipefail

lab_home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${lab_dir:?run scenarios with scripts/interop}" "${ADIT:?run scenarios with scripts/interop}"
router=adit-$$-router server=adit-$$-server lan=adit-$$-lan
server_address=203.0.113.1 lan_address=192.0.2.2
# What a scenario may set before it starts the server: the setting, and further lines of the configuration.
algorithms=compatible more_ipsec=
psk=$(head -c 9 /dev/urandom | base64) password=$(head -c 9 /dev/urandom | base64)
psk_id= # the identifier that makes the server take Aggressive Mode
declare -A guest_pid=()
# Where each guest lives, and its own and its gateway's address there.
declare -A home=() guest_address=() gateway=()
server_pid=
helpers=()

# fail REASON: ends the scenario; scripts/interop shows the first reason.
fail() {
  [ -e "$lab_dir/reason" ] || echo "$*" >"$lab_dir/reason"
  exit 1
}

# note TEXT: shown behind the name of a scenario that passed.
note() { echo "$*" >>"$lab_dir/notes"; }

trap 'fail "${BASH_SOURCE[0]##*/}, line $LINENO: $BASH_COMMAND"' ERR
trap 'exit 1' INT TERM
trap clean_up EXIT
set -E

clean_up() {
  trap - ERR EXIT
  set +e
  local pids=("${guest_pid[@]}" "${helpers[@]}")
  [ -z "$server_pid" ] || pids+=("$server_pid")
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}"
  # A guest's processes are processes here; nothing but ours lives in these namespaces.
  for namespace in "$router" "$server" "$lan" "${home[@]}"; do
    for _ in {1..50}; do [ -z "$(ip netns pids "$namespace")" ] && break; sleep 0.1; done
    ip netns pids "$namespace" | xargs -r kill -KILL
    ip netns del "$namespace"
  done
} 2>/dev/null

# topology nat|direct [GUESTS]
topology() {
  local way=$1 guests=${2:-1} k
  for namespace in "$router" "$server" "$lan"; do
    ip netns add "$namespace"
    ip -n "$namespace" link set lo up
  done
  link "$server" wan "$server_address" "$router" wan 203.0.113.254
  link "$server" lan 192.0.2.1 "$lan" lan "$lan_address"
  ip -n "$server" route add default via 203.0.113.254
  ip netns exec "$router" sysctl -qw net.ipv4.ip_forward=1
  for k in $(seq "$guests"); do
    ip -n "$router" tuntap add dev "tap$k" mode tap
    ip -n "$router" addr add "10.1.$k.1/24" dev "tap$k"
    ip -n "$router" link set "tap$k" up
    home[$k]=$router guest_address[$k]=10.1.$k.2 gateway[$k]=10.1.$k.1
  done
  [ "$way" != nat ] || masquerade "$router" wan
}

# twin K: moves guest K behind a NAT of its own, where it has the address that every twin has.
twin() {
  local k=$1
  home[$k]=adit-$$-home$k guest_address[$k]=192.168.1.23 gateway[$k]=192.168.1.1
  ip netns add "${home[$k]}"
  ip -n "${home[$k]}" link set lo up
  link "${home[$k]}" out "100.64.$k.2" "$router" "home$k" "100.64.$k.1"
  ip -n "${home[$k]}" route add default via "100.64.$k.1"
  ip -n "$router" link del "tap$k"
  ip -n "${home[$k]}" tuntap add dev "tap$k" mode tap
  ip -n "${home[$k]}" addr add 192.168.1.1/24 dev "tap$k"
  ip -n "${home[$k]}" link set "tap$k" up
  ip netns exec "${home[$k]}" sysctl -qw net.ipv4.ip_forward=1
  masquerade "${home[$k]}" out
}

# masquerade NAMESPACE INTERFACE
masquerade() {
  ip netns exec "$1" nft -f - <<NFT
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "$2" masquerade
  }
}
NFT
}

# forward_server: the router has a public address and forwards the server's ports to it, as a home or a cloud does.
forward_server() {
  public_address=198.51.100.80
  ip -n "$router" addr add "$public_address/32" dev lo
  ip netns exec "$router" nft -f - <<NFT
table ip forward {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ip daddr $public_address udp dport { 500, 4500 } dnat to $server_address
  }
}
NFT
}

# link NAMESPACE INTERFACE ADDRESS NAMESPACE INTERFACE ADDRESS
link() {
  ip link add "$2" netns "$1" type veth peer name "$5" netns "$4"
  ip -n "$1" addr add "$3/24" dev "$2"
  ip -n "$4" addr add "$6/24" dev "$5"
  ip -n "$1" link set "$2" up
  ip -n "$4" link set "$5" up
}

# start_server: adit with two users, alice and bob, and everything else as it comes.
start_server() {
  cat >"$lab_dir/adit.yaml" <<YAML
ipsec:
  algorithms: $algorithms
  psk:
    - { name: main, secret: "$psk"${psk_id:+, id: $psk_id} }
$more_ipsec
pools:
  - { name: default, range: 10.20.0.0/24 }
dns: [9.9.9.9, 149.112.112.112]
users: users.yaml
control: control.sock
log: { level: debug, format: text }
YAML
  cat >"$lab_dir/users.yaml" <<YAML
alice: { password: "$password" }
bob: { password: "$password" }
YAML
  chmod 600 "$lab_dir/adit.yaml" "$lab_dir/users.yaml"
  ip netns exec "$server" "$ADIT" serve --config "$lab_dir/adit.yaml" >"$lab_dir/server.log" 2>&1 &
  server_pid=$!
  await 10 "adit does not answer" server_answers
}

server_answers() {
  kill -0 "$server_pid" 2>/dev/null || fail "adit ended at its start: $(tail -1 "$lab_dir/server.log")"
  adit status >"$lab_dir/status" 2>&1
}

# stop_server SIGNAL: and waits; the exit code is the server's.
stop_server() {
  local pid=$server_pid
  server_pid=
  kill "-$1" "$pid"
  wait "$pid"
}

# adit COMMAND...: against the running server.
adit() { "$ADIT" "$1" --config "$lab_dir/adit.yaml" "${@:2}"; }

# sessions FILTER: what jq makes of the sessions in `adit status --json`.
sessions() { adit status --json | jq -r ".sessions | $1"; }

# start_guest K [USER]: boots guest K and gets its client ready to dial.
start_guest() {
  local k=$1 user=${2:-alice} files=$lab_dir/guest$1
  mkdir -p "$files"
  ip netns exec "${home[$k]}" linux.uml mem=256M root=/dev/root rootfstype=hostfs rootflags=/ rw quiet \
    "init=$lab_home/guest/init" "vec0:transport=tap,ifname=tap$k,depth=128,gro=1" con0=null,fd:1 con=null \
    "uml_dir=$files/" "lab_address=${guest_address[$k]}" "lab_gateway=${gateway[$k]}" "lab_source=$lab_home/guest" "lab_guest=$files" \
    </dev/null >"$files/console.log" 2>&1 &
  guest_pid[$k]=$!
  on "$k" eval "psk='$psk' user='$user' password='$password'"
}

# on K COMMAND...: runs it in guest K's shell, with its output and its exit code.
on() {
  local k=$1 n=1 files=$lab_dir/guest$1
  shift
  while [ -e "$files/$n.do" ]; do n=$((n + 1)); done
  printf '%q ' "$@" >"$files/$n.new"
  mv "$files/$n.new" "$files/$n.do"
  until [ -e "$files/$n.rc" ]; do
    kill -0 "${guest_pid[$k]}" 2>/dev/null || fail "guest $k died: $(tail -1 "$files/console.log")"
    sleep 0.02
  done
  cat "$files/$n.out"
  return "$(cat "$files/$n.rc")"
}

# await SECONDS REASON COMMAND...: until the command succeeds, or the scenario fails.
await() {
  local until=$((SECONDS + $1)) reason=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -le "$until" ] || fail "$reason"
    sleep 0.05
  done
}

# logged PATTERN: a line of the server's log matches.
logged() { grep -Eq -- "$1" "$lab_dir/server.log"; }

# logged_end USER: the log says how long the session was, what it moved and why it ended; notes the line.
logged_end() {
  local line
  line=$(grep -E "\"$1\" is out after .*: 10\.20\.0\.[0-9]+, in .* \S?B \(.* packets\), out .* \S?B \(.* packets\): .+" \
    "$lab_dir/server.log" | tail -1) || fail "no log line tells how long the session of $1 was, what it moved and why it ended"
  note "${line#*INFO}"
}

# start_lan BYTES: a file, whoever connects to port 9000 gets it; port 9001 answers with the checksum of what it was sent.
start_lan() {
  head -c "$1" /dev/urandom >"$lab_dir/file"
  file_sum=$(sha256sum "$lab_dir/file" | cut -d' ' -f1)
  ip netns exec "$lan" socat -U -b 262144 TCP-LISTEN:9000,fork,reuseaddr "FILE:$lab_dir/file" &
  helpers+=($!)
  ip netns exec "$lan" socat -b 262144 TCP-LISTEN:9001,fork,reuseaddr SYSTEM:sha256sum &
  helpers+=($!)
}

# transfer K: the file down and up through guest K's tunnel, compared by checksum.
transfer() {
  local k=$1 begin middle
  begin=$EPOCHREALTIME
  [ "$(on "$k" download "$lan_address" 9000)" = "$file_sum" ] || fail "guest $k: what came down is not what was sent"
  middle=$EPOCHREALTIME
  [ "$(on "$k" upload "$lan_address" 9001 "$lab_dir/file")" = "$file_sum" ] || fail "guest $k: what came up is not what was sent"
  awk -v b="$begin" -v m="$middle" -v e="$EPOCHREALTIME" -v n="$(stat -c %s "$lab_dir/file")" \
    'BEGIN { printf "%.0f MB down in %.1f s, up in %.1f s\n", n / 1e6, m - b, e - m }'
}

# dial K: guest K dials; sets `address`, `dns` and `took`, the seconds from its first message to its address.
dial() {
  local answer
  on "$1" start_client
  answer=$(on "$1" dial | tail -1) || fail "guest $1 does not connect: $answer"
  [[ $answer =~ ^address\ (.*)\ dns\ (.*)\ ike\ (.*)\ s\ total\ (.*)\ s$ ]] || fail "guest $1 does not connect: $answer"
  # shellcheck disable=SC2034 # read by the scenarios
  address=${BASH_REMATCH[1]} dns=${BASH_REMATCH[2]} took=${BASH_REMATCH[4]}
}

test_sessions() { [ "$(sessions length)" = "$1" ]; }
no_session() { test_sessions 0; }
