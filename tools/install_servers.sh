#!/usr/bin/env bash
# Installs, from Debian's packages, the foreign programs that tests talk to. They are not started:
# each test starts its own, on loopback, with its data in a temporary folder.
set -u
export DEBIAN_FRONTEND=noninteractive

wanted=(kcat postgresql mariadb-server redis-server mosquitto rabbitmq-server nats-server)
missing=()
for package in "${wanted[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ "${#missing[@]}" = 0 ] && exit 0

# Debian starts a server when it is installed; here none may be.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq >/dev/null 2>&1
status=0
for package in "${missing[@]}"; do
  if ! apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1; then
    echo "$package could not be installed" >&2
    status=1
  fi
done
exit "$status"
