# shellcheck shell=bash
# Certificates for the server and its clients, made with openssl.
# shellcheck disable=SC2154 # shared with lab.bash and the scenarios

# make_authority NAME [AUTHORITY]: NAME.pem and NAME.key, signed by that authority or by themselves.
make_authority() {
  local request=(-newkey rsa:2048 -nodes -subj "/O=Lab/CN=$1" -keyout "$pki/$1.key" -addext "keyUsage=critical,keyCertSign,cRLSign")
  if [ $# = 1 ]; then
    openssl req -x509 "${request[@]}" -days 30 -out "$pki/$1.pem" 2>/dev/null
  else
    openssl req "${request[@]}" -addext basicConstraints=critical,CA:true -out "$pki/$1.request" 2>/dev/null
    sign "$1" "$2"
  fi
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
  local name=$1 authority=$2 names=$4
  local key=(rsa:2048)
  [ "$3" = rsa ] || key=(ec -pkeyopt "ec_paramgen_curve:$3")
  openssl req -newkey "${key[@]}" -nodes -subj "/O=Lab/CN=$name" -keyout "$pki/$name.key" -out "$pki/$name.request" \
    -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=clientAuth,serverAuth -addext "subjectAltName=$names" 2>/dev/null
  sign "$name" "$authority" "${@:5}"
}

# sign NAME AUTHORITY [FROM UNTIL]: from NAME.request to NAME.pem, from yesterday until next month if nothing else is said.
sign() {
  local begin=${3:-$(date -u -d -1day +%y%m%d%H%M%SZ)} end=${4:-$(date -u -d +30day +%y%m%d%H%M%SZ)}
  openssl ca -batch -notext -config "$pki/$2.conf" -cert "$pki/$2.pem" -keyfile "$pki/$2.key" \
    -startdate "$begin" -enddate "$end" -in "$pki/$1.request" -out "$pki/$1.pem" 2>/dev/null
}

# revoke AUTHORITY [NAME...]: AUTHORITY.crl with these in it.
revoke() {
  local name authority=("-config" "$pki/$1.conf" "-cert" "$pki/$1.pem" "-keyfile" "$pki/$1.key")
  for name in "${@:2}"; do openssl ca "${authority[@]}" -revoke "$pki/$name.pem" 2>/dev/null; done
  openssl ca "${authority[@]}" -gencrl -out "$pki/$1.crl" 2>/dev/null
}
