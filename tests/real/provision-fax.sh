#!/usr/bin/env bash
# Bring the fax peers of tests/real onto this machine: HylaFAX with iaxmodem, a modem in software,
# from the machine's own Debian, in a folder of its own (nothing is installed or started). Its line
# is the Asterisk of provision.sh, whose spandsp is the fax machine at the other end.
# Safe to run again: a marker file makes that a matter of milliseconds.
#
#   LINKAGE_REAL_FAX     where they go          (default /var/cache/linkage-real/fax)
#   LINKAGE_REAL_MIRROR  a Debian mirror        (default: the first one that apt uses)
#
# Exit status: 0 ready, 1 a step failed, 3 this machine cannot be provisioned (no Debian, no root).
set -euo pipefail

ROOT=${LINKAGE_REAL_FAX:-/var/cache/linkage-real/fax}
RECIPE=1                               # raise when what is fetched below changes
MARKER=$ROOT/.linkage-provisioned
PACKAGES=hylafax-server,hylafax-client,iaxmodem,libtiff-tools

say() { printf 'real fax peers: %s\n' "$*"; }
cannot() { printf 'real fax peers: %s\n' "$*" >&2; exit 3; }

if [[ -f $MARKER && $(<"$MARKER") == "$RECIPE" ]]; then
    say "ready: HylaFAX and iaxmodem in $ROOT"
    exit 0
fi
[[ $(id -u) == 0 ]] || cannot "needs root (debootstrap, chroot)"
command -v apt-get >/dev/null || cannot "needs Debian (apt-get, debootstrap)"

mkdir -p "$(dirname "$ROOT")"
exec 9>"$(dirname "$ROOT")/.fax-lock"
flock 9
if ! command -v debootstrap >/dev/null; then
    say "1/3 installing debootstrap"
    apt-get install -y -q --no-install-recommends debootstrap debian-archive-keyring >/dev/null \
        || { apt-get update -q >/dev/null \
             && apt-get install -y -q --no-install-recommends debootstrap >/dev/null; }
fi
mirror=${LINKAGE_REAL_MIRROR:-$(
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null \
        | awk '$2 == "Debian" && $1 !~ /security|backports/ { print $1; exit }'
)}
[[ -n $mirror ]] || cannot "no Debian mirror among apt's sources; set LINKAGE_REAL_MIRROR"
for scheme in http https; do
    proxy=$(apt-config dump --format '%v%n' "Acquire::$scheme::Proxy" | head -n 1)
    if [[ -n $proxy && $proxy != DIRECT ]]; then export "${scheme}_proxy=$proxy"; fi
done
part=$ROOT.part
say "2/3 unpacking HylaFAX from Debian bookworm into $ROOT (a minute or three, 420 MB)"
for attempt in 1 2; do
    for folder in proc sys dev/pts dev; do
        if mountpoint -q "$part/$folder"; then umount -l "$part/$folder"; fi
    done
    rm -rf --one-file-system "$part"
    if debootstrap --variant=minbase --include="$PACKAGES" bookworm "$part" "${mirror%/}" \
        >"$ROOT.log" 2>&1; then break; fi
    if [[ $attempt == 2 ]]; then tail -n 20 "$ROOT.log" >&2; exit 1; fi
    say "once more in 10 s"
    sleep 10
done
rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/* "$ROOT.log"
say "3/3 checking"
chroot "$part" /usr/bin/tiffinfo -h >/dev/null 2>&1 || true
test -x "$part/usr/sbin/hfaxd" && test -x "$part/usr/bin/iaxmodem"
if [[ -e $ROOT ]]; then rm -rf --one-file-system "$ROOT"; fi
mv "$part" "$ROOT"
printf '%s\n' "$RECIPE" >"$MARKER"
say "ready: HylaFAX and iaxmodem in $ROOT"
