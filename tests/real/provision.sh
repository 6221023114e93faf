#!/usr/bin/env bash
# Bring the real peers of tests/real onto this machine: Asterisk (from Debian sid, in a folder of
# its own), SIPp and Prometheus' promtool (from the machine's own release).
#
# Debian 12 carries no Asterisk, so one is unpacked by debootstrap and run by chroot; nothing of it
# is installed on the machine itself. Safe to run again: a marker file makes that a matter of
# milliseconds.
#
#   LINKAGE_REAL_ROOT    where Asterisk goes        (default /var/cache/linkage-real/asterisk)
#   LINKAGE_REAL_MIRROR  a Debian mirror with sid   (default: the first one that apt uses)
#
# Exit status: 0 ready, 1 a step failed, 3 this machine cannot be provisioned (not root, not Debian).
set -euo pipefail

ROOT=${LINKAGE_REAL_ROOT:-/var/cache/linkage-real/asterisk}
RECIPE=1                               # raise when the list of packages below changes
MARKER=$ROOT/.linkage-provisioned
TOOLS=(debootstrap debian-archive-keyring sip-tester sox)
PEERS=asterisk,asterisk-modules,asterisk-core-sounds-en-gsm,asterisk-moh-opsound-gsm

PROMTOOL=$(dirname "$ROOT")/bin/promtool

have_promtool() { command -v promtool >/dev/null || [[ -x $PROMTOOL ]]; }
have_tools() { command -v sipp >/dev/null && command -v sox >/dev/null && have_promtool; }
say() { printf 'real peers: %s\n' "$*"; }
cannot() { printf 'real peers: %s\n' "$*" >&2; exit 3; }
fail() { printf 'real peers: %s\n' "$*" >&2; exit 1; }

if [[ -f $MARKER && $(<"$MARKER") == "$RECIPE" ]] && have_tools; then
    say "ready: Asterisk in $ROOT, SIPp on PATH"
    exit 0
fi

command -v apt-get >/dev/null && [[ -f /etc/debian_version ]] \
    || cannot "needs Debian (apt-get, debootstrap); elsewhere run the tests in a Debian 12 container"
[[ $(id -u) == 0 ]] \
    || cannot "needs root (apt-get install, debootstrap, chroot): sudo tests/real/provision.sh"

# Only one at a time: two test runs may start together.
mkdir -p "$(dirname "$ROOT")"
exec 9>"$(dirname "$ROOT")/.lock"
flock 9
if [[ -f $MARKER && $(<"$MARKER") == "$RECIPE" ]] && have_tools; then
    say "ready: Asterisk in $ROOT (made by another run just now)"
    exit 0
fi

log=$(mktemp)
part=$ROOT.part
unmount() {
    # debootstrap mounts these into the new system and an interrupted one leaves them behind.
    local folder
    for folder in proc sys dev/pts dev; do
        if mountpoint -q "$part/$folder"; then umount -l "$part/$folder" || true; fi
    done
}
trap 'unmount; rm -f "$log"' EXIT

quietly() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "failed: $*"
    fi
}
# The same for what fetches: a mirror may be busy, and the next attempt find it well.
patiently() {
    local attempt
    for attempt in 1 2; do
        if "$@" >"$log" 2>&1; then return; fi
        say "attempt $attempt failed, once more in $((attempt * 10)) s: $*"
        sleep $((attempt * 10))
    done
    quietly "$@"
}

export DEBIAN_FRONTEND=noninteractive
if ! dpkg-query -W -f '${db:Status-Status}\n' "${TOOLS[@]}" 2>/dev/null \
    | awk '$1 == "installed" { n++ } END { exit n != '${#TOOLS[@]}' }'; then
    say "1/3 installing ${TOOLS[*]}"
    patiently apt-get update -q
    patiently apt-get install -y -q --no-install-recommends "${TOOLS[@]}"
else
    say "1/3 ${TOOLS[*]} are installed"
fi
command -v sipp >/dev/null || fail "sip-tester is installed, but sipp is not on PATH"

# Of Prometheus only the tool: installed as a package, the server would start at once.
if ! have_promtool; then
    folder=$(mktemp -d)
    (cd "$folder" && patiently apt-get download -q prometheus)
    dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -x -C "$folder" ./usr/bin/promtool
    install -D "$folder/usr/bin/promtool" "$PROMTOOL"
    rm -rf "$folder"
fi

# The machine's own mirror and proxy: what apt may reach, debootstrap may reach.
mirror=${LINKAGE_REAL_MIRROR:-$(
    apt-get indextargets --format '$(REPO_URI) $(SITE) $(ORIGIN) $(CODENAME)' \
        'Created-By: Packages' 2>/dev/null \
        | awk '$3 == "Debian" && $1 !~ /security|backports/ { print $1; exit }'
)}
if [[ -z $mirror ]]; then   # no index downloaded yet: read the sources themselves
    mirror=$(
        awk '$1 == "URIs:" { print $2 } $1 == "deb" { for (i = 2; i <= NF; i++)
             if ($i ~ /^(https?|file):/) { print $i; break } }' \
            /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list \
            /etc/apt/sources.list 2>/dev/null | grep -Ev 'security' | grep -m1 debian || true
    )
fi
[[ -n $mirror ]] || fail "no Debian mirror among apt's sources; set LINKAGE_REAL_MIRROR"
for scheme in http https; do
    proxy=$(apt-config dump --format '%v%n' "Acquire::$scheme::Proxy" | head -n 1)
    if [[ -n $proxy && $proxy != DIRECT ]]; then export "${scheme}_proxy=$proxy"; fi
done

say "2/3 unpacking Asterisk from Debian sid into $ROOT (about a minute, 500 MB)"
unpack() {   # from the beginning: of a half-finished system it makes no whole one
    unmount
    rm -rf --one-file-system "$part"
    debootstrap --variant=minbase --include="$PEERS" sid "$part" "${mirror%/}"
}
patiently unpack
rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/*
if [[ -e $ROOT ]]; then rm -rf --one-file-system "$ROOT"; fi
mv "$part" "$ROOT"

say "3/3 checking"
version=$(chroot "$ROOT" /usr/sbin/asterisk -V) || fail "the unpacked Asterisk does not run"
printf '%s\n' "$RECIPE" >"$MARKER"
say "ready: $version in $ROOT, $(sipp -v 2>/dev/null | awk '/SIPp v/ { print "SIPp", $2 }')"
