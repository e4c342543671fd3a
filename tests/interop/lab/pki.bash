# shellcheck shell=bash
# Certificates for the server and its clients, made with openssl.
# shellcheck disable=SC2154 # shared with lab.bash and the scenarios

# make_authority NAME: NAME.pem and NAME.key, which sign themselves.
make_authority() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/O=Lab/CN=$1" -keyout "$pki/$1.key" -out "$pki/$1.pem" \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
  : >"$pki/$1.index"
  echo 01 >"$pki/$1.number"
  cat >"$pki/$1.conf" <<CONF
[ca]
default_ca = authority
[authority]
database = $pki/$1.index
new_certs_dir = $pki
rand_serial = yes
unique_subject = no
default_md = sha256
default_crl_days = 30
crlnumber = $pki/$1.number
crl_extensions = list
copy_extensions = copy
policy = any
[any]
organizationName = optional
commonName = optional
[list]
authorityKeyIdentifier = keyid
CONF
}

# make_certificate NAME AUTHORITY KEY-ALGORITHM NAMES [FROM UNTIL]: NAME.pem and NAME.key.
make_certificate() {
  local name=$1 authority=$2 names=$4 begin=${5:-$(date -u -d -1day +%y%m%d%H%M%SZ)} end=${6:-$(date -u -d +30day +%y%m%d%H%M%SZ)}
  local key=(rsa:2048)
  [ "$3" = rsa ] || key=(ec -pkeyopt "ec_paramgen_curve:$3")
  openssl req -newkey "${key[@]}" -nodes -subj "/O=Lab/CN=$name" -keyout "$pki/$name.key" -out "$pki/$name.request" \
    -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=clientAuth,serverAuth -addext "subjectAltName=$names" 2>/dev/null
  openssl ca -batch -notext -config "$pki/$authority.conf" -cert "$pki/$authority.pem" -keyfile "$pki/$authority.key" \
    -startdate "$begin" -enddate "$end" -in "$pki/$name.request" -out "$pki/$name.pem" 2>/dev/null
}

# revoke AUTHORITY [NAME...]: AUTHORITY.crl with these in it.
revoke() {
  local name authority=("-config" "$pki/$1.conf" "-cert" "$pki/$1.pem" "-keyfile" "$pki/$1.key")
  for name in "${@:2}"; do openssl ca "${authority[@]}" -revoke "$pki/$name.pem" 2>/dev/null; done
  openssl ca "${authority[@]}" -gencrl -out "$pki/$1.crl" 2>/dev/null
}
