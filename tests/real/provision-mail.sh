#!/usr/bin/env bash
# Bring the mail servers of tests/real onto this machine: Postfix and Dovecot from Debian 12, in a
# folder of their own that is run by chroot; nothing of them is installed on the machine itself.
# Safe to run again: a marker file makes that a matter of milliseconds.
#
#   LINKAGE_REAL_MAIL    where they go               (default /var/cache/linkage-real/mail)
#   LINKAGE_REAL_MIRROR  a Debian mirror             (default: the first one that apt uses)
#
# Exit status: 0 ready, 1 a step failed, 3 this machine cannot be provisioned (not root, not Debian).
set -euo pipefail

ROOT=${LINKAGE_REAL_MAIL:-/var/cache/linkage-real/mail}
RECIPE=1                               # raise when the list of packages below changes
MARKER=$ROOT/.linkage-provisioned
PEERS=postfix,dovecot-imapd,dovecot-lmtpd

say() { printf 'real mail servers: %s\n' "$*"; }
cannot() { printf 'real mail servers: %s\n' "$*" >&2; exit 3; }
fail() { printf 'real mail servers: %s\n' "$*" >&2; exit 1; }

ready() { [[ -f $MARKER && $(<"$MARKER") == "$RECIPE" ]]; }
if ready; then say "ready: Postfix and Dovecot in $ROOT"; exit 0; fi

command -v apt-get >/dev/null && [[ -f /etc/debian_version ]] || cannot "needs Debian (apt-get)"
[[ $(id -u) == 0 ]] || cannot "needs root (debootstrap, chroot): sudo tests/real/provision-mail.sh"
command -v debootstrap >/dev/null || cannot "needs debootstrap: run tests/real/provision.sh first"

# Only one at a time: two test runs may start together.
mkdir -p "$(dirname "$ROOT")"
exec 9>"$(dirname "$ROOT")/.mail-lock"
flock 9
if ready; then say "ready: Postfix and Dovecot in $ROOT (made by another run just now)"; exit 0; fi

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

# The machine's own mirror and proxy: what apt may reach, debootstrap may reach.
mirror=${LINKAGE_REAL_MIRROR:-$(
    apt-get indextargets --format '$(REPO_URI) $(SITE) $(ORIGIN) $(CODENAME)' \
        'Created-By: Packages' 2>/dev/null \
        | awk '$3 == "Debian" && $1 !~ /security|backports/ { print $1; exit }'
)}
mirror=${mirror:-http://deb.debian.org/debian}
for scheme in http https; do
    proxy=$(apt-config dump --format '%v%n' "Acquire::$scheme::Proxy" | head -n 1)
    if [[ -n $proxy && $proxy != DIRECT ]]; then export "${scheme}_proxy=$proxy"; fi
done

say "1/2 unpacking Postfix and Dovecot from Debian 12 into $ROOT (about a minute, 300 MB)"
export DEBIAN_FRONTEND=noninteractive
for attempt in 1 2 3; do
    unmount
    rm -rf --one-file-system "$part"   # of a half-finished system it makes no whole one
    if debootstrap --variant=minbase --include="$PEERS" bookworm "$part" "${mirror%/}" >"$log" 2>&1
    then break; fi
    tail -n 20 "$log" >&2
    [[ $attempt == 3 ]] && fail "debootstrap failed"
    say "attempt $attempt failed, once more in $((attempt * 10)) s"
    sleep $((attempt * 10))
done
rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/*
if [[ -e $ROOT ]]; then rm -rf --one-file-system "$ROOT"; fi
mv "$part" "$ROOT"

say "2/2 checking"
postfix=$(chroot "$ROOT" /usr/sbin/postconf -h mail_version) || fail "the unpacked Postfix does not run"
dovecot=$(chroot "$ROOT" /usr/sbin/dovecot --version) || fail "the unpacked Dovecot does not run"
printf '%s\n' "$RECIPE" >"$MARKER"
say "ready: Postfix $postfix and Dovecot $dovecot in $ROOT"
