#!/bin/sh
# What the official image's entry point does for one database: make it once, then become postgres.
set -e
if [ "$1" != postgres ]; then exec "$@"; fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"; chmod 700 "$PGDATA"
  (umask 077; printf %s "$POSTGRES_PASSWORD" > /tmp/password)
  initdb --username=postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  printf 'host all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  printf 'CREATE DATABASE "%s";\n' "$POSTGRES_DB" | postgres --single -j postgres > /dev/null
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/tmp
