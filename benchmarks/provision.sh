#!/usr/bin/env bash
# Bring the brokers that linkage is compared with: RabbitMQ and NATS as Debian has them.
#
# Nothing is installed and no service is started: the packages are unpacked into a folder of the
# user, and run from there by the benchmark only. Needs no root. Safe to run again: a marker file
# makes that a matter of milliseconds.
#
#   LINKAGE_BENCH_ROOT   where they go   (default ${XDG_CACHE_HOME:-~/.cache}/linkage-bench/brokers)
#
# Exit status: 0 ready, 1 a step failed, 3 this machine cannot be provisioned (not Debian).
set -euo pipefail

ROOT=${LINKAGE_BENCH_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/linkage-bench/brokers}
RECIPE=1                               # raise when the list of packages below changes
MARKER=$ROOT/.linkage-provisioned
PACKAGES=(
    nats-server rabbitmq-server
    erlang-asn1 erlang-base erlang-crypto erlang-eldap erlang-ftp erlang-inets erlang-mnesia
    erlang-os-mon erlang-parsetools erlang-public-key erlang-runtime-tools erlang-snmp erlang-ssl
    erlang-syntax-tools erlang-tftp erlang-tools erlang-xmerl
)

say() { printf 'brokers: %s\n' "$*"; }
cannot() { printf 'brokers: %s\n' "$*" >&2; exit 3; }
fail() { printf 'brokers: %s\n' "$*" >&2; exit 1; }

if [[ -f $MARKER && $(<"$MARKER") == "$RECIPE" ]]; then
    say "ready in $ROOT"
    exit 0
fi

command -v apt-get >/dev/null && [[ -f /etc/debian_version ]] \
    || cannot "needs Debian (apt-get, dpkg); elsewhere run the benchmark in a Debian 12 container"

# Only one at a time: two runs may start together.
mkdir -p "$(dirname "$ROOT")"
exec 9>"$(dirname "$ROOT")/.lock"
flock 9
if [[ -f $MARKER && $(<"$MARKER") == "$RECIPE" ]]; then
    say "ready in $ROOT (made by another run just now)"
    exit 0
fi

log=$(mktemp)
part=$ROOT.part
trap 'rm -f "$log"' EXIT
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

rm -rf --one-file-system "$part"
mkdir -p "$part/debs"
cd "$part/debs"
say "1/3 fetching ${#PACKAGES[@]} packages (40 MB)"
if ! apt-get download -q "${PACKAGES[@]}" >"$log" 2>&1; then
    # The usual reason: the lists are missing or older than what the mirror has.
    [[ $(id -u) == 0 ]] || { tail -n 5 "$log" >&2; fail "run as root once: apt-get update"; }
    patiently apt-get update -q
    patiently apt-get download -q "${PACKAGES[@]}"
fi

say "2/3 unpacking them into $ROOT"
for package in *.deb; do quietly dpkg -x "$package" "$part"; done
cd "$part"
rm -rf debs
# Erlang knows by an absolute path where it was installed.
sed -i "s#^\( *ROOTDIR=\)/usr/lib/erlang\$#\1$ROOT/usr/lib/erlang#" usr/lib/erlang/bin/erl
if [[ -e $ROOT ]]; then rm -rf --one-file-system "$ROOT"; fi
mv "$part" "$ROOT"

say "3/3 checking"
nats=$("$ROOT/usr/sbin/nats-server" --version) || fail "the unpacked nats-server does not run"
otp=$("$ROOT/usr/lib/erlang/bin/erl" -noshell \
    -eval 'io:format("~s", [erlang:system_info(otp_release)]), halt().') \
    || fail "the unpacked Erlang does not run; its libraries: apt-get install libsctp1 libtinfo6"
rabbit=$(echo "$ROOT"/usr/lib/rabbitmq/lib/rabbitmq_server-*)
[[ -x $rabbit/sbin/rabbitmq-server ]] || fail "rabbitmq-server is not where it was"
printf '%s\n' "$RECIPE" >"$MARKER"
say "ready: RabbitMQ ${rabbit##*-} on Erlang $otp, $nats, in $ROOT"
