# shellcheck shell=bash
# The server under test, and the lan behind it.
# shellcheck disable=SC2034,SC2154 # shared with lab.bash and the scenarios

# start_server: adit with two users, alice and bob, and everything else as it comes.
start_server() {
  cat >"$lab_dir/adit.yaml" <<YAML
listen: $listen
ipsec:
  algorithms: $algorithms
${certificate:+  certificate: $certificate
}  psk:
    - { name: main, secret: "$psk"${psk_id:+, id: $psk_id} }
$more_ipsec
pools:
  - { name: default, range: 10.20.0.0/24${range6:+, range6: "$range6"}${delegate:+, delegate: "$delegate"} }
dns: [9.9.9.9, 149.112.112.112${range6:+, "2620:fe::fe"}]
users: users.yaml
control: control.sock
log: { level: debug, format: text }
$more_config
YAML
  cat >"$lab_dir/users.yaml" <<YAML
alice: { password: "$password"$more_alice }
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

test_sessions() { [ "$(sessions length)" = "$1" ]; }
no_session() { test_sessions 0; }

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
