# shellcheck shell=bash
# The servers that are measured, both on core 0; sourced, never run.
adit_pool=10.20.0.0/16 softether_pool=10.30.0.0/16
adit_pid='' softether_pid='' softether_parent=''

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local _ tries=$(($1 * 10))
  shift
  for _ in $(seq "$tries"); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  return 1
}

gone() {
  ! kill -0 "$1"
}

make_secrets() {
  local secret
  secret=$(head -c 18 /dev/urandom | base64 | tr -d +/=)
  (umask 077; printf '%s\n' "$secret" "$secret" >"$work/secret")
}

start_adit() {
  local secret
  secret=$(head -1 "$work/secret")
  (
    umask 077
    cat >"$work/adit.yaml" <<END
ipsec:
  psk:
    - { name: bench, secret: "$secret" }
pools:
  - { name: default, range: $adit_pool }
users: users.yaml
tun: adit0
# Without masquerading: the forwarding beside it does none either.
nat: false
control: control.sock
END
    echo "bench: { password: \"$secret\" }" >"$work/users.yaml"
  )
  # Not by way of `on`: this process shall be adit itself.
  ip netns exec "$id-server" taskset -c 0 "$target/release/adit" serve --config "$work/adit.yaml" >"$work/adit.log" 2>&1 &
  adit_pid=$!
  wait_for 5 test -S "$work/control.sock" || { cat "$work/adit.log" >&2; die "adit does not start."; }
}

stop_adit() {
  [ -n "$adit_pid" ] || return 0
  kill "$adit_pid" 2>/dev/null || true
  wait "$adit_pid" 2>/dev/null || true
  rm -f "$work/control.sock"
  adit_pid=
}

# vpncmd is SoftEther's own way to be configured; it asks for nothing when it gets a hub and a command.
softether_says() {
  on softether vpncmd localhost:5555 /SERVER "$@" >>"$work/softether.log" 2>&1
}

softether_hub() {
  softether_says /HUB:DEFAULT /CMD "$@"
}

# It gives out addresses by its own DHCP server and reaches the network through a TAP device of the kernel, as adit does
# through a TUN device; its other way, network address translation in user space, is slower.
start_softether() {
  local secret
  secret=$(head -1 "$work/secret")
  # It finds its files next to itself, and writes where Debian says; both are its own here, and gone with it.
  mkdir -p "$work/softether" /run/softether /var/lib/softether /var/log/softether
  cp -L /usr/libexec/softether/vpnserver/{vpnserver,hamcore.se2} "$work/softether/"
  cat >"$work/softether/start" <<END
for directory in /run/softether /var/lib/softether /var/log/softether; do mount -t tmpfs tmpfs \$directory; done
cd $work/softether
exec taskset -c 0 ./vpnserver execsvc
END
  # In a session of its own, because it will be stopped: to stopped processes whose shell ends the kernel says to end as well.
  setsid ip netns exec "$id-softether" unshare --mount sh "$work/softether/start" >"$work/softether.log" 2>&1 &
  softether_parent=$!
  wait_for 20 softether_says /CMD About || { cat "$work/softether.log" >&2; die "SoftEther does not start."; }
  softether_says /CMD IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no "/PSK:$secret" /DEFAULTHUB:DEFAULT
  softether_hub UserCreate bench /GROUP:none /REALNAME:none /NOTE:none
  softether_hub UserPasswordSet bench "/PASSWORD:$secret"
  softether_hub SecureNatEnable
  softether_hub NatDisable
  softether_hub DhcpSet /START:10.30.1.0 /END:10.30.250.250 /MASK:255.255.0.0 /EXPIRE:7200 /GW:10.30.0.1 /DNS:10.30.0.1 \
    /DNS2:none /DOMAIN:none /LOG:no
  softether_hub SecureNatHostSet /MAC:none /IP:10.30.0.2 /MASK:255.255.0.0
  softether_says /CMD BridgeCreate DEFAULT /DEVICE:bench /TAP:yes
  wait_for 10 on softether ip link show tap_bench || { cat "$work/softether.log" >&2; die "SoftEther makes no device."; }
  on softether ip address add 10.30.0.1/16 dev tap_bench
  # The one that works is a child of the one that was started.
  softether_pid=$(pgrep -P "$softether_parent" -x vpnserver || echo "$softether_parent")
  pause_softether
}

# It is busy even when nobody is there.
pause_softether() {
  kill -STOP "$softether_pid"
}

resume_softether() {
  kill -CONT "$softether_pid"
}

stop_softether() {
  [ -n "$softether_parent" ] || return 0
  # A term it takes as a wish; it is gone with its namespace anyway.
  kill -KILL "$softether_parent" "$softether_pid" 2>/dev/null || true
  wait "$softether_parent" 2>/dev/null || true
  # The one that works is not our child, and has its files until it is gone.
  wait_for 10 gone "$softether_pid" || die "SoftEther does not end."
  softether_parent=
}
