# shellcheck shell=bash
# Four network namespaces, joined by cables that the kernel imagines; sourced, never run.
#
#            ┌── server ─────┐
#   client ──┤               ├── inside
#            └── softether ──┘
#
# A cable carries what is sent at once, on the sender's core, through the other end's network stack up to the socket or device that it is
# for. So the server's core has the reception of what it sends where a machine of its own would have that of what it is sent: one for the other,
# for every server alike.
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
