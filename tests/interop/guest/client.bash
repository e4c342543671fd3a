# shellcheck shell=bash
# What a guest can be told to do: strongSwan, xl2tpd and pppd as one L2TP/IPsec client.
# The host sets the variables before it calls the functions. lab_… come from the kernel's command line.
# shellcheck disable=SC2154
server=203.0.113.1
psk=unset user=unset password=unset
ike=aes256-sha1-modp2048 esp=aes256-sha1
aggressive=no id=%any fragment=1280
# Further lines of the connection, of strongswan.conf's charon section, of xl2tpd's global section and of its lac section, and of pppd's
# options.
more_conn='' more_charon='' more_global='' more_lac='' more_ppp='' length_bit=yes
# A directory with ca.pem and the client's certificate and key, in place of the pre-shared key; what the two are called, and the
# kind of the key.
certificates='' client=client key_kind=RSA
# What pppd is not to log in with.
refuse='refuse-eap'
# Who the server must say it is, and with certificates prove to be.
server_id=%any
# The UDP port of L2TP here, or %any.
port=1701
logs=$lab_guest

# Starts the daemons, once; nothing is on the wire yet.
start_client() {
  [ ! -p /run/xl2tpd/control ] || return 0
  # Only what an IKEv1 client needs: with every plugin charon takes ten seconds to start.
  local authby=psk plugins='' identity="leftid=\"$id\"" secret=": PSK \"$psk\""
  if [ -n "$certificates" ]; then
    cp "$certificates/ca.pem" /etc/ipsec.d/cacerts/
    authby=pubkey plugins='x509 pem pkcs1 pkcs8 pubkey' identity="leftcert=$certificates/$client.pem"
    secret=": $key_kind $certificates/$client.key"
  fi
  cat >/etc/strongswan.conf <<CONF
charon {
  fragment_size = $fragment
  i_dont_care_about_security_and_use_aggressive_mode_psk = yes
  load = random nonce openssl $plugins hmac kernel-netlink socket-default stroke
  $more_charon
}
CONF
  cat >/etc/ipsec.conf <<CONF
conn l2tp
  keyexchange=ikev1
  aggressive=$aggressive
  $identity
  type=transport
  authby=$authby
  left=%defaultroute
  leftprotoport=17/$port
  right=$server
  rightprotoport=17/1701
  rightid="$server_id"
  ike=$ike!
  esp=$esp!
  auto=add
$more_conn
CONF
  echo "$secret" >/etc/ipsec.secrets
  cat >/etc/xl2tpd/xl2tpd.conf <<CONF
[global]
$more_global
[lac vpn]
lns = $server
pppoptfile = /etc/ppp/options.l2tp
length bit = $length_bit
$more_lac
CONF
  cat >/etc/ppp/options.l2tp <<CONF
ipcp-accept-local
ipcp-accept-remote
$refuse
noccp
noauth
mtu 1400
mru 1400
noipdefault
nodefaultroute
usepeerdns
debug
name $user
password $password
logfile $logs/ppp.log
$more_ppp
CONF
  # pppd runs these itself: the moment of the event, not the moment somebody looked.
  cat >/etc/ppp/ip-up <<'CONF'
#!/bin/bash
printf '%s\n' "at=$EPOCHREALTIME" "address=$IPLOCAL" "dns='${DNS1-} ${DNS2-}'" >/run/up.new
mv /run/up.new /run/up
CONF
  printf '#!/bin/bash\ntouch /run/down\n' >/etc/ppp/ip-down
  chmod +x /etc/ppp/ip-up /etc/ppp/ip-down

  touch "$logs/ppp.log"
  ipsec start --nofork >"$logs/charon.log" 2>&1 &
  await 20 "charon did not start" charon_ready && start_xl2tpd
}

start_xl2tpd() {
  mkdir -p /run/xl2tpd
  xl2tpd -c /etc/xl2tpd/xl2tpd.conf -C /run/xl2tpd/control -p /run/xl2tpd/pid -D >>"$logs/xl2tpd.log" 2>&1 &
  xl2tpd_pid=$!
  await 5 "xl2tpd did not start" test -p /run/xl2tpd/control
}

# Gives up an attempt that nobody answered, as NetworkManager does: with a new xl2tpd for the next one.
give_up() {
  ipsec down l2tp
  kill -KILL "$xl2tpd_pid"
  rm /run/xl2tpd/control
  start_xl2tpd
}

# pppd's end without an address, too, is an answer.
answered() { [ -e /run/up ] || [ "$(ends)" -gt "$ends_before" ]; }

no_pppd() { ! pgrep -x pppd >/dev/null; }

ends() { grep -c '^Connection terminated' "$logs/ppp.log"; }

charon_ready() { ipsec statusall 2>/dev/null | grep -q '^ *l2tp:.*IKEv1'; }

# Dials; prints one line: the address, the name servers, and the time from the first IKE message to the address.
dial() {
  # Its last words are not to be taken for an answer to this dial.
  await 10 "the pppd of the last session does not end" no_pppd || return 1
  rm -f /run/up /run/down
  local begin=$EPOCHREALTIME secured ends_before
  ends_before=$(ends)
  ipsec up l2tp || return 1
  secured=$EPOCHREALTIME
  echo 'c vpn' >/run/xl2tpd/control
  await 20 "neither an address nor an end" answered || return 1
  [ -e /run/up ] || { echo "no address from the server"; return 1; }
  # shellcheck disable=SC1091 # written by ip-up: at, address, dns
  source /run/up
  ip route replace "$server" via "$lab_gateway"
  ip route replace default dev ppp0
  awk -v b="$begin" -v s="$secured" -v e="$at" -v a="$address" -v d="$dns" \
    'BEGIN { printf "address %s dns %s ike %.3f s total %.3f s\n", a, d, s - b, e - b }'
}

# ask_l2tp FROM TUNNEL: an SCCRQ made by hand, whose Assigned Tunnel ID is this in hex, from port 1701 of this IPv6 address; prints
# what comes within two seconds, in hex, among it what is repeated for an earlier one. xl2tpd knows nothing of IPv6.
ask_l2tp() {
  # Message Type, Protocol Version, Host Name, Framing Capabilities, Assigned Tunnel ID.
  local avps="8008000000000001 8008000000020100 8009000000076c6162 800a0000000300000003 800800000009$2"
  # Through a file: into a pipe it would go line by line, and there is an octet in it that ends one.
  printf %b "$(tr -d ' ' <<<"c8020037 00000000 00000000 $avps" | sed 's/../\\x&/g')" >/run/sccrq
  timeout 2 socat -t 5 - "UDP6:[$server]:1701,bind=[$1]:1701" </run/sccrq | od -An -v -tx1 | tr -d ' \n'
}

# has_ipv6: prints the address that the kernel has made of what the router said, once it has one.
has_ipv6() { ip -6 -o addr show dev ppp0 scope global | awk '/dynamic/ && !/tentative/ { sub("/.*", "", $4); print $4; found = 1 } END { exit !found }'; }

# ask_dhcpv6: an Information-request made by hand, for name servers and domain; prints the answer in hex.
ask_dhcpv6() {
  local link_local
  link_local=$(ip -6 -o addr show dev ppp0 scope link | awk '{ sub("/.*", "", $4); print $4 }')
  printf '\x0b\x01\x02\x03\x00\x06\x00\x04\x00\x17\x00\x18' >/run/information
  timeout 3 socat -t 2 - "UDP6-DATAGRAM:[ff02::1:2%ppp0]:547,bind=[$link_local%ppp0]:546" </run/information | od -An -v -tx1 | tr -d ' \n'
}

# ask_dhcp ADDRESS CODES: a DHCPINFORM made by hand, as macOS and Windows send it when they do not send everything into the tunnel: from
# this address to everybody on the link, with this list of wishes in hex. Prints the options of the answer, in hex.
ask_dhcp() {
  local length padding octets address
  read -ra octets <<<"${1//./ }"
  address=$(printf %02x "${octets[@]}")
  length=$(printf %02x $((${#2} / 2)))
  padding=$(printf '%0384d' 0) # sname and file
  local fields="01080600 cafe0007 00000000 $address 00000000 00000000 00000000"
  local message="$fields 00000001000000000000000000000001 $padding 63825363 350108 37$length$2 ff"
  printf %b "$(tr -d ' ' <<<"$message" | sed 's/../\\x&/g')" >/run/inform
  timeout 3 socat -t 2 - "UDP4-DATAGRAM:255.255.255.255:67,broadcast,bind=$1:68,so-bindtodevice=ppp0" </run/inform |
    tail -c +241 | od -An -v -tx1 | tr -d ' \n'
}

# Ends the session from this side.
hang_up() {
  echo 'd vpn' >/run/xl2tpd/control
  await 10 "pppd did not end" test -e /run/down
  ipsec down l2tp
}

# download HOST PORT: prints the checksum of what arrived here.
download() { socat -u -b 262144 "TCP:$1:$2" - | sha256sum | cut -d' ' -f1; }

# upload HOST PORT FILE: prints the checksum of what arrived there; the far end answers with it.
upload() { socat -t 60 -b 262144 - "TCP:$1:$2" <"$3" | cut -d' ' -f1; }

# await SECONDS COMPLAINT COMMAND...: until the command succeeds.
await() {
  local until=$((SECONDS + $1)) complaint=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -le "$until" ] || { echo "$complaint"; return 1; }
    sleep 0.02
  done
}

# echoed HOST PORT SECONDS: sends lines of 50 kB, up to ten a second, to a server that sends everything back; prints the longest
# pause between two that came back. Fails when a byte is not what it was, a line is missing, or nothing came for three seconds.
echoed() {
  local text
  text=$(head -c 37500 /dev/urandom | base64 -w 0)
  rm -f /run/lines
  lines_of "$text" "$3" | socat -t 30 -T 5 - "TCP:$1:$2" |
    mawk -v text="$text" '
      function now(at) { "date +%s.%N" | getline at; close("date +%s.%N"); return at }
      $0 != NR " " text { bad = "line " NR " came back as something else"; exit }
      {
        at = now()
        if (NR > 1 && at - last > longest) longest = at - last
        last = at
        if (longest > 3) { bad = "no line for " longest " s before line " NR; exit }
      }
      END {
        getline lines <"/run/lines"
        if (!bad && !lines) bad = "nothing came any more after line " NR
        if (!bad && NR != lines) bad = NR " of " lines " lines came back"
        if (bad) { print bad; exit 1 }
        printf "%.0f MB each way, longest pause %.2f s\n", lines * length(text) / 1e6, longest
      }'
}

# lines_of TEXT SECONDS: numbered; leaves their number in /run/lines.
lines_of() {
  local line=0 end=$((SECONDS + $2))
  while [ "$SECONDS" -lt "$end" ] && echo "$((line += 1)) $1"; do sleep 0.1; done
  echo "$line" >/run/lines
}
