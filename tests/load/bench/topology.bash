# shellcheck shell=bash
# Four network namespaces, joined by cables that the kernel imagines; sourced, never run.
#
#            ┌── server ─────┐
#   client ──┤               ├── inside
#            └── softether ──┘
#
# What a server receives is worked on by core 0, what client and inside receive by core 1: by threads of the kernel (threaded NAPI) that take
# turns with who else is there and find several packets each time, as with a network card, which does not interrupt for each of them.
# Without them the sender's core interrupts the other one for nearly every packet. On core 1 they come before whoever makes the traffic, lest
# a ping wait there for the flood beside it.
id=adit-bench-$$

# on SIDE COMMAND...: runs a command in the namespace of that side.
on() {
  local side=$1
  shift
  ip netns exec "$id-$side" "$@"
}

# cable A B NETWORK: joins two sides, one of which is a server and gets NETWORK.1; the other one gets NETWORK.2. Each end is
# named after the other side.
cable() {
  local server=$1 other=$2 network=$3
  ip link add name "$other" netns "$id-$server" type veth peer name "$server" netns "$id-$other"
  on "$server" ip address add "$network.1/24" dev "$other"
  on "$other" ip address add "$network.2/24" dev "$server"
  on "$server" ip link set "$other" up
  on "$other" ip link set "$server" up
  receive_by_thread "$server" "$other" 0
  receive_by_thread "$other" "$server" 1
}

# receive_by_thread SIDE DEVICE CORE: a thread on that core works on what the device receives. A cable has NAPI while it does GRO.
receive_by_thread() {
  local before after
  before=$(pgrep '^napi/' || true)
  on "$1" ethtool -K "$2" gro on
  on "$1" sh -c "echo 1 > /sys/class/net/$2/threaded"
  after=$(pgrep '^napi/' || true)
  after=$(comm -13 <(sort <<<"$before") <(sort <<<"$after"))
  [ -n "$after" ] || die "the kernel gives $2 no thread to receive with (Linux 5.12 has that)."
  taskset -pc "$3" "$after" >/dev/null
  [ "$3" = 0 ] || renice -n -20 -p "$after" >/dev/null
}

make_topology() {
  local side
  for side in client server softether inside; do
    ip netns add "$id-$side"
    on "$side" ip link set lo up
  done
  cable server client 198.18.0
  cable server inside 198.19.0
  cable softether client 198.18.1
  cable softether inside 198.19.1
  on client ip route add 198.19.0.0/24 via 198.18.0.1
  on inside ip route add 198.18.0.0/24 via 198.19.0.1
  on inside ip route add "$adit_pool" via 198.19.0.1
  on inside ip route add "$softether_pool" via 198.19.1.1
  for side in server softether; do
    on "$side" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
  done
  # More than one address for clients, because SoftEther serves a thousand of one, and many ports of each.
  for side in {3..18}; do
    on client ip address add "198.18.0.$side/24" dev server
    on client ip address add "198.18.1.$side/24" dev softether
  done
  on client sh -c 'echo "1024 65535" > /proc/sys/net/ipv4/ip_local_port_range'
  # Where the clients' TUN device appears.
  ip netns add "$id-user"
  on user ip link set lo up
}

remove_topology() {
  local side
  for side in client server softether inside user; do
    ip netns del "$id-$side" 2>/dev/null || true
  done
}
