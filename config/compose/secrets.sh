#!/bin/sh
# Makes what docker-compose.yml needs to be tried: passwords, an authority, and certificates of it.
#
#   config/compose/secrets.sh [FOLDER]      else secrets, in the folder where it is called
#
# For more than a trial, put your own files of these names there. The containers read them as
# different users, so each file is open to all; the folder lets only its owner in.
set -eu
folder=${1:-secrets}
mkdir -m 700 "$folder"
cd "$folder"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 \
  -subj "/CN=dicom-node trial" -keyout authority.key -out authority.crt 2>/dev/null

certificate() {  # of the container with this name
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -addext "subjectAltName=DNS:$1,DNS:localhost" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -days 825 -in "$1.csr" -CA authority.crt -CAkey authority.key \
    -CAcreateserial -copy_extensions copyall -out "$1.crt" 2>/dev/null
  rm "$1.csr"
}
for name in edge orthanc redis postgresql; do certificate "$name"; done

password() { openssl rand -hex 24; }  # of letters that a URL holds as they are
redis=$(password) postgresql=$(password)
printf %s "$redis" >redis_password
printf %s "$postgresql" >postgresql_password
printf %s "rediss://:$redis@redis:6379/0" >dicom_node_broker__url
printf %s "postgresql+psycopg://node:$postgresql@postgresql/node?sslmode=verify-full&sslrootcert=/run/secrets/authority.crt" \
  >dicom_node_ledger__url
chmod 644 ./*
chmod 600 authority.key  # no container has it
echo "made $folder"
