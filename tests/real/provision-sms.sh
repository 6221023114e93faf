#!/usr/bin/env bash
# Bring the SMS peers of tests/real onto this machine: Kannel (from Debian, unpacked in a folder of
# its own: nothing is installed or started) and the npm package `smpp`, whose server is a centre.
# Safe to run again: a marker file makes that a matter of milliseconds.
#
#   LINKAGE_REAL_SMS     where they go        (default /var/cache/linkage-real/sms)
#
# Exit status: 0 ready, 1 a step failed, 3 this machine cannot be provisioned (no Debian, no npm).
set -euo pipefail

ROOT=${LINKAGE_REAL_SMS:-/var/cache/linkage-real/sms}
RECIPE=1                               # raise when what is fetched below changes
MARKER=$ROOT/.linkage-provisioned
PACKAGES=(kannel libmariadb3 libpcre3 libhiredis0.14 libct4)
NODE_PACKAGE=smpp@0.5.1

say() { printf 'real SMS peers: %s\n' "$*"; }
cannot() { printf 'real SMS peers: %s\n' "$*" >&2; exit 3; }

if [[ -f $MARKER && $(<"$MARKER") == "$RECIPE" ]]; then
    say "ready: Kannel and npm's smpp in $ROOT"
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || cannot "needs Debian (apt-get)"
command -v npm >/dev/null || cannot "needs node and npm"

mkdir -p "$(dirname "$ROOT")"
exec 9>"$(dirname "$ROOT")/.sms-lock"
flock 9
part=$ROOT.part
rm -rf "$part"
mkdir -p "$part/debs"
say "1/2 fetching ${PACKAGES[*]}"
(cd "$part/debs" && apt-get download -q "${PACKAGES[@]}" >/dev/null 2>&1) \
    || { apt-get update -q >/dev/null && (cd "$part/debs" && apt-get download -q "${PACKAGES[@]}"); }
for each in "$part"/debs/*.deb; do dpkg-deb -x "$each" "$part"; done
rm -rf "$part/debs"
say "2/2 fetching $NODE_PACKAGE"
npm install --silent --no-audit --no-fund --prefix "$part/node" "$NODE_PACKAGE"
printf '%s\n' "$RECIPE" >"$part/.linkage-provisioned"
rm -rf "$ROOT"
mv "$part" "$ROOT"
say "ready: Kannel and npm's smpp in $ROOT"
