# shellcheck shell=bash
# A guest that is a router with a host behind it, whose addresses begin with a prefix that Debian's dhcp6c asks for.
# shellcheck disable=SC2154 # `logs` is client.bash's

# Asks for a prefix, and for an address beside it, as home routers do; once it has one, prints the address of the host behind.
start_router() {
  modprobe veth
  ip netns add behind
  ip link add behind type veth peer name uplink netns behind
  ip link set behind up
  ip -n behind link set uplink up
  # A router that is to go on believing another one has to be told.
  sysctl -qw net.ipv6.conf.ppp0.accept_ra=2 net.ipv6.conf.all.forwarding=1
  cat >/run/dhcp6c.conf <<'CONF'
interface ppp0 { send ia-na 0; send ia-pd 1; };
id-assoc na 0 { };
id-assoc pd 1 { prefix-interface behind { sla-id 7; sla-len 8; ifid 1; }; };
CONF
  dhcp6c -f -D -c /run/dhcp6c.conf -p /run/dhcp6c.pid ppp0 >"$logs/dhcp6c.log" 2>&1 &
  await 15 "dhcp6c was given no prefix" has_network || return 1
  local own host
  own=$(has_network)
  host=${own%1}99
  ip -n behind addr add "$host/64" dev uplink nodad
  ip -n behind route add default via "$own"
  echo "$host"
}

# has_network: prints the router's own address in the network behind it, once it has one.
has_network() {
  ip -6 -o addr show dev behind scope global |
    awk '!/tentative/ { sub("/.*", "", $4); print $4; found = 1 } END { exit !found }'
}

# behind COMMAND...: on the host.
behind() { ip netns exec behind "$@"; }

# serve_behind FILE: whoever connects to port 9002 of the host gets it.
serve_behind() {
  behind socat -U -b 262144 TCP6-LISTEN:9002,fork,reuseaddr "FILE:$1" &
  await 5 "nobody listens behind the guest" listens_behind
}

listens_behind() { behind ss -Hltn 'sport = :9002' | grep -q .; }

# Gives the prefix back.
stop_router() {
  kill "$(cat /run/dhcp6c.pid)"
  await 10 "dhcp6c does not end" no_dhcp6c
}

no_dhcp6c() { ! pgrep -x dhcp6c >/dev/null; }
