# shellcheck shell=bash
# The guests, and what their clients do.
# shellcheck disable=SC2004,SC2034,SC2154 # shared with lab.bash and the scenarios; guests are keys, not numbers

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

# dial K: guest K dials; sets `address`, `dns` and `took`, the seconds from its first message to its address.
dial() {
  local answer
  on "$1" start_client
  answer=$(on "$1" dial | tail -1) || fail "guest $1 does not connect: $answer"
  [[ $answer =~ ^address\ (.*)\ dns\ (.*)\ ike\ (.*)\ s\ total\ (.*)\ s$ ]] || fail "guest $1 does not connect: $answer"
  # shellcheck disable=SC2034 # read by the scenarios
  address=${BASH_REMATCH[1]} dns=${BASH_REMATCH[2]} took=${BASH_REMATCH[4]}
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
