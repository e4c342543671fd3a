# shellcheck shell=bash
# The networks that scenarios run in.
# shellcheck disable=SC2004,SC2034,SC2154 # shared with lab.bash and the scenarios; guests are keys, not numbers

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

# link NAMESPACE INTERFACE ADDRESS NAMESPACE INTERFACE ADDRESS
link() {
  ip link add "$2" netns "$1" type veth peer name "$5" netns "$4"
  ip -n "$1" addr add "$3/24" dev "$2"
  ip -n "$4" addr add "$6/24" dev "$5"
  ip -n "$1" link set "$2" up
  ip -n "$4" link set "$5" up
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

# over_ipv6 K: what there is a second time, for guest K, the router and the server; sets `server_address` and K's in `guest_address`.
# It is routed: nobody masquerades IPv6.
over_ipv6() {
  local k=$1
  server_address=2001:db8::1 guest_address[$k]=2001:db8:$k::2
  ip -n "$server" addr add "$server_address/64" dev wan nodad
  ip -n "$router" addr add 2001:db8::254/64 dev wan nodad
  ip -n "$router" addr add "2001:db8:$k::1/64" dev "tap$k" nodad
  ip -n "$server" route add default via 2001:db8::254
  ip netns exec "$router" sysctl -qw net.ipv6.conf.all.forwarding=1
  on "$k" modprobe -a ipv6 esp6
  on "$k" ip addr add "${guest_address[$k]}/64" dev vec0 nodad
  on "$k" ip route add default via "2001:db8:$k::1"
  on "$k" eval "server=$server_address"
}
