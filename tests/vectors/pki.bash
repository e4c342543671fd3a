#!/usr/bin/env bash
# pki.bash: makes tests/vectors/pki with openssl: two authorities, and certificates good and bad below them.
#
# Everything in there is for tests. Running it again makes other keys, which no test minds.
set -euo pipefail
cd "$(dirname "$0")/pki"
rm -f ./*
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cat >"$work/openssl.conf" <<CONF
[ca]
default_ca = authority
[authority]
dir = $work
database = $work/index
new_certs_dir = $work
unique_subject = no
policy = anything
default_crl_days = 36500
crlnumber = $work/crlnumber
crl_extensions = list
rand_serial = yes
copy_extensions = none
[anything]
commonName = optional
organizationName = optional
[req]
distinguished_name = dn
[dn]
[authority_extensions]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
[server]
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,1.3.6.1.5.5.8.2.2
subjectAltName = DNS:vpn.example.net
[client]
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = email:alice@example.net,DNS:alice.example.net,IP:10.0.0.2
[user]
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth,1.3.6.1.4.1.311.20.2.2
subjectAltName = otherName:1.3.6.1.4.1.311.20.2.3;UTF8:alice@corp.example.net,email:alice@example.net,DNS:laptop.example.net
[web]
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
[list]
authorityKeyIdentifier = keyid
[encipher]
keyUsage = critical,keyEncipherment
[many]
subjectAltName = @hosts
[hosts]
CONF
for n in {1..70}; do echo "DNS.$n = host$n.example.net"; done >>"$work/openssl.conf"

key() { # NAME ALGORITHM...
  openssl genpkey -quiet -out "$1.key" -algorithm "${@:2}" 2>/dev/null || openssl genpkey -out "$1.key" -algorithm "${@:2}"
}

# certificate NAME KEY AUTHORITY EXTENSIONS SUBJECT [FROM UNTIL [OPTION...]]; AUTHORITY is NAME itself for one that signs itself
certificate() {
  local name=$1 key=$2 authority=$3 extensions=$4 subject=$5 from=${6:-20200101000000Z} until=${7:-21200101000000Z}
  local signer=(-cert "$authority.pem" -keyfile "${authority/old-/}.key")
  [ "$authority" != "$name" ] || signer=(-selfsign -keyfile "$key.key")
  openssl req -new -config "$work/openssl.conf" -key "$key.key" -subj "$subject" -out "$work/request"
  openssl ca -batch -notext -config "$work/openssl.conf" "${signer[@]}" -extensions "$extensions" -startdate "$from" -enddate "$until" \
    -md sha256 "${@:8}" -in "$work/request" -out "$name.pem" 2>/dev/null
}

: >"$work/index"
echo 01 >"$work/crlnumber"
rsa=(RSA -pkeyopt rsa_keygen_bits:2048)
key ca "${rsa[@]}"
key other-ca "${rsa[@]}"
key sub "${rsa[@]}"
key server "${rsa[@]}"
key client "${rsa[@]}"
key client-short RSA -pkeyopt rsa_keygen_bits:1024
key short-ca RSA -pkeyopt rsa_keygen_bits:1024
for curve in P-256 P-384; do
  key "server-${curve/P-/p}" EC -pkeyopt "ec_paramgen_curve:$curve"
  key "client-${curve/P-/p}" EC -pkeyopt "ec_paramgen_curve:$curve"
done

certificate ca ca ca authority_extensions "/O=Example/CN=Root"
certificate other-ca other-ca other-ca authority_extensions "/O=Elsewhere/CN=Root"
cp other-ca.key impostor.key
certificate impostor impostor impostor authority_extensions "/O=Example/CN=Root"
certificate short-ca short-ca short-ca authority_extensions "/O=Old/CN=Root"
certificate old-sub sub ca authority_extensions "/O=Example/CN=Old devices" 20200101000000Z 20210101000000Z
certificate client-old-sub client old-sub client "/O=Example/CN=bob"
certificate sub sub ca authority_extensions "/O=Example/CN=Devices"
certificate server server ca server "/O=Example/CN=vpn.example.net"
certificate server-nameless server ca server "/"
certificate server-p256 server-p256 ca server "/O=Example/CN=vpn.example.net"
certificate server-p384 server-p384 ca server "/O=Example/CN=vpn.example.net"
certificate client client ca client "/O=Example/CN=alice"
certificate client-p256 client-p256 ca client "/O=Example/CN=alice"
certificate client-p384 client-p384 ca client "/O=Example/CN=alice"
certificate client-sub client sub client "/O=Example/CN=bob"
certificate client-other client other-ca client "/O=Elsewhere/CN=mallory"
certificate client-impostor client impostor client "/O=Example/CN=mallory"
certificate client-2021 client ca client "/O=Example/CN=alice" 20210101000000Z 20220101000000Z
certificate client-web client ca web "/O=Example/CN=www"
certificate client-encipher client ca encipher "/O=Example/CN=mail"
certificate client-sha1 client ca client "/O=Example/CN=xp" 20200101000000Z 21200101000000Z -md sha1
certificate client-short client-short ca client "/O=Example/CN=xp"
certificate client-of-short client short-ca client "/O=Old/CN=xp"
certificate client-upn client client-upn user "/O=Example/CN=Alice Example"
certificate client-many client client-many many "/O=Example/CN=alice"
certificate client-revoked client ca client "/O=Example/CN=carol"
openssl ca -config "$work/openssl.conf" -cert ca.pem -keyfile ca.key -md sha256 -revoke client-revoked.pem 2>/dev/null
openssl ca -config "$work/openssl.conf" -cert ca.pem -keyfile ca.key -md sha256 -gencrl -out ca.crl 2>/dev/null
openssl crl2pkcs7 -nocrl -certfile client-sub.pem -certfile sub.pem -outform DER -out client-sub.p7
cat ca.pem short-ca.pem >both-ca.pem
rm impostor.* other-ca.key sub.key ca.key short-ca.*
openssl rsa -in server.key -traditional -out server-pkcs1.key 2>/dev/null
openssl ec -in server-p256.key -out server-p256-sec1.key 2>/dev/null
# PKCS #1 of a bare hash, without the name of its function, as IKEv1 has it.
printf abc | openssl dgst -sha1 -binary | openssl pkeyutl -sign -inkey server.key -out server-abc-sha1.signature
