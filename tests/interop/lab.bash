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
# What a scenario may set before it starts the server: two settings, and further lines of the configuration's section and of itself.
listen='[0.0.0.0]' algorithms=compatible more_ipsec='' more_config=''
more_alice= # and of one user
range6= # the pool's IPv6 range, if it has one
delegate= # where prefixes come from that are delegated, if any are
psk=$(head -c 9 /dev/urandom | base64) password=$(head -c 9 /dev/urandom | base64)
psk_id= # the identifier that makes the server take Aggressive Mode
declare -A guest_pid=()
# Where each guest lives, and its own and its gateway's address there.
declare -A home=() guest_address=() gateway=()
server_pid=
helpers=()
# Where certificates are made, and what the configuration says of them.
pki=$lab_dir certificate=

# fail REASON: ends the scenario; scripts/interop shows the first reason.
fail() {
  [ -e "$lab_dir/reason" ] || echo "$*" >"$lab_dir/reason"
  exit 1
}

# note TEXT: shown behind the name of a scenario that passed.
note() { echo "$*" >>"$lab_dir/notes"; }

# await SECONDS REASON COMMAND...: until the command succeeds, or the scenario fails.
await() {
  local until=$((SECONDS + $1)) reason=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -le "$until" ] || fail "$reason"
    sleep 0.05
  done
}

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

# shellcheck source=tests/interop/lab/network.bash
source "$lab_home/lab/network.bash"
# shellcheck source=tests/interop/lab/pki.bash
source "$lab_home/lab/pki.bash"
# shellcheck source=tests/interop/lab/server.bash
source "$lab_home/lab/server.bash"
# shellcheck source=tests/interop/lab/guest.bash
source "$lab_home/lab/guest.bash"
