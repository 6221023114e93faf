#!/usr/bin/env bash
# An officer with two registered telephones: only one of them rings, ever.
#
# PJSIP/1003 reads like "1003, wherever it is registered", as forking at a SIP proxy would have it.
# Asterisk picks one contact (not by the order in the configuration: which one it is changes with
# the address), and if that one is busy the attempt is over.
# For a desk: the softphone of yesterday, still registered, swallows the calls of the telephone on
# the table. Dial each contact by its address (the function PJSIP_DIAL_CONTACTS lists them).
set -euo pipefail
ASTERISK_VERSION=22.10.1
source "$(dirname "$0")/lib-asterisk.sh"

# shellcheck disable=SC2034
MORE_PJSIP=$(
    printf '[1003](caller)\naors=1003\n[1003]\ntype=aor\n'
    printf 'contact=sip:1003@127.0.0.1:%s\n' "$TELEPHONE_A" "$TELEPHONE_B"
)
asterisk_start <<'DIALPLAN'
exten => 1003,1,Dial(${PJSIP_DIAL_CONTACTS(1003)})
DIALPLAN

guess 'both telephones ring; or the second one when the first is busy'
"$PYTHON" - <<'PY'
import os

from lib_seen import seen
from lib_telephone import Ari, Telephone, until

def rung() -> list[int]:
    return [sum(r.startswith("INVITE") for r in t.requests) for t in telephones]

ari = Ari()
telephones = [Telephone(int(os.environ[n]), "180 Ringing") for n in ("TELEPHONE_A", "TELEPHONE_B")]
leg = ari.ask("POST", "/channels", endpoint="PJSIP/1003", app="desk", timeout=2)["id"]
ari.wait("ChannelDestroyed", channel=leg)
telephones.sort(key=lambda telephone: not telephone.requests)
seen("INVITEs at the two, ringing for two seconds", rung(), [1, 0])
telephones[0].reply = "486 Busy Here"
leg = ari.ask("POST", "/channels", endpoint="PJSIP/1003", app="desk")["id"]
seen("end, when the one is busy", ari.wait("ChannelDestroyed", channel=leg)["cause_txt"], "User busy")
seen("INVITEs at the two by then", rung(), [2, 0])
telephones[0].reply = "180 Ringing"
Telephone().call("1003")
until(lambda: rung()[1], why="not even by PJSIP_DIAL_CONTACTS")
until(lambda: rung()[0] > 2, why="not even by PJSIP_DIAL_CONTACTS")
seen("INVITEs at the two, by PJSIP_DIAL_CONTACTS too", rung(), [3, 1])
PY
