# shellcheck shell=bash
# What is measured: a function for each part, which measures everybody once; sourced, never run.
#
# Each part is short, so that what disturbs the machine for some seconds disturbs one repetition of one part, and medians
# over repetitions do not show it.

# load NAME KIND ARGUMENT...: runs the load against one of adit, softether and plain, and adds what it prints to the figures.
load() {
  local name=$1 kind=$2 way=() log=$work/load.log
  shift 2
  case $name in
    adit) way=(--server 198.18.0.1 --secret "$work/secret" --user bench --from 198.18.0.2 --addresses 16) ;;
    softether) way=(--server 198.18.1.1 --secret "$work/secret" --user bench --from 198.18.1.2 --addresses 16) ;;
  esac
  case $kind in
    login | hold) way+=(--core 0 --pid "$(pid_of "$name")") ;;
    flood) way+=(--core 0) ;;
    tcp) way+=(--core 0 --tun-netns "$id-user") ;;
  esac
  case $kind in
    flood | tcp | ping)
      way+=(--far-netns "$id-inside")
      [ "$name" = softether ] && way+=(--far 198.19.1.2) || way+=(--far 198.19.0.2)
      [ "$name" != plain ] || [ "$kind" = tcp ] || way+=(--near 198.18.0.2)
      ;;
  esac
  [ "$name" != softether ] || resume_softether
  if ! on client timeout 300 taskset -c 1 "$target/release/load-generator" "$kind" "${way[@]}" "$@" >"$work/lines" 2>"$log"; then
    cat "$log" >&2
    echo "bench: $kind with $name failed: $*" >&2
    # What the other server cannot do is shown as a dash.
    [ "$name" = softether ] || failed=yes
  fi
  [ "$name" != softether ] || pause_softether
  sed "s/^{/{\"name\":\"$name\",/" "$work/lines" >>"$work/figures"
}

pid_of() {
  case $1 in
    adit) echo "$adit_pid" ;;
    softether) echo "$softether_pid" ;;
  esac
}

# SoftEther does best with these. On the way up it takes one packet each time that something arrives, whatever has come
# together, so a window would starve it; and beyond what it can carry it carries nothing.
softether_pace=(--window 128 --up-rate "20000,40000,60000,80000,100000")

# Packets of one client and of many, in trains of every length.
measure_throughput() {
  local clients
  for clients in $client_counts; do
    load plain flood --seconds "$seconds" --train "$trains" --clients "$clients"
    load adit flood --seconds "$seconds" --train "$trains" --clients "$clients" --esp aes128-sha1
    ! has softether ||
      load softether flood --seconds "$seconds" --train "$trains" --clients "$clients" --esp aes128-sha1 "${softether_pace[@]}"
  done
}

# The other suites: in long trains, but for SoftEther, of which single packets show what it can carry.
measure_suites() {
  local suite
  for suite in aes256-sha1 aes256-sha256 aes128gcm 3des-sha1; do
    load adit flood --seconds "$seconds" --train 44 --esp "$suite"
    # It has neither AES-GCM nor, in Debian's version, SHA2.
    ! has softether || [[ $suite != *-sha1 ]] ||
      load softether flood --seconds "$seconds" --train 1 --esp "$suite" "${softether_pace[@]}"
  done
}

measure_tcp() {
  local name direction
  for name in plain adit softether; do
    has "$name" || continue
    direction=up,down
    # What comes together on the way up stops it (see above).
    [ "$name" != softether ] || direction=down
    load "$name" tcp --seconds 2 --direction "$direction"
  done
}

measure_logins() {
  load adit login --clients 2000 --ike aes256-sha1-modp2048
  load adit login --clients 2000 --ike aes256-sha1-ecp384
  # It has no elliptic curves, and would need minutes for as many.
  ! has softether || load softether login --clients 40 --ike aes256-sha1-modp2048
}

measure_pings() {
  local name flood
  for name in plain adit softether; do
    has "$name" || continue
    load "$name" ping
    for flood in down up; do
      # SoftEther's way up knows no window.
      [ "$name $flood" != "softether up" ] || continue
      load "$name" ping --flood "$flood" --window 256
    done
  done
  load adit ping --flood down --flood-esp 3des-sha1
}

# Idle sessions, once: nothing about them is left to chance. On servers that nobody has logged in to yet.
measure_sessions() {
  stop_adit
  start_adit
  load adit hold --clients 100,1000,10000 --ike aes256-sha1-ecp384
  if has softether; then
    # It refuses some who come while it still has those who left.
    stop_softether
    start_softether
    load softether hold --clients 50 --at-once 4 --ike aes256-sha1-modp2048
  fi
  # Without the memory that these sessions left.
  stop_adit
  start_adit
}
