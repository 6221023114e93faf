#!/usr/bin/env bash
# A parked caller whom nobody fetches is not given back to the officer: his own telephone, or the
# trunk that he came by, is dialled, and he waits for himself.
#
# "Comes back to origin" holds for a telephone that parks by a feature code. Where an application
# sends a caller into Park(), the parker that Asterisk notes is the caller's own channel.
# For a desk: after the time-out the carrier gets an INVITE without a number, and the caller hears
# ringing until he gives up. Give Park() an explicit way back: option c.
set -euo pipefail
ASTERISK_VERSION=22.10.1
source "$(dirname "$0")/lib-asterisk.sh"

# The carrier is telephone B: callers come in from it and PJSIP/callers leads to it.
# shellcheck disable=SC2034
MORE_PJSIP=$(printf '[callers](+)\naors=callers\n[callers]\ntype=aor\ncontact=sip:127.0.0.1:%s\n' "$TELEPHONE_B")
asterisk_start <<'DIALPLAN'
exten => 12345,1,Stasis(desk)
exten => park,1,Park(default)
exten => park-c,1,Park(default,c(in,back,1))
exten => back,1,Stasis(desk,back)
DIALPLAN

guess 'after parkingtime (2 s) the telephone of the officer who had the call rings'
"$PYTHON" - <<'PY'
import os

from lib_seen import seen
from lib_telephone import Ari, Telephone, until

ari = Ari()
carrier = Telephone(int(os.environ["TELEPHONE_B"]), "180 Ringing")
officer = Telephone(int(os.environ["TELEPHONE_A"]))
caller = Telephone()
caller.call("12345")
first = ari.wait("StasisStart")["channel"]["id"]
ari.ask("POST", f"/channels/{first}/answer")
second = ari.ask("POST", "/channels", endpoint="PJSIP/1001", app="desk")["id"]
ari.wait("StasisStart", channel=second)
bridge = ari.ask("POST", "/bridges", type="mixing")["id"]
ari.ask("POST", f"/bridges/{bridge}/addChannel", channel=f"{first},{second}")
officer.requests.clear()
ari.ask("POST", f"/channels/{first}/continue", context="in", extension="park")
line = until(lambda: carrier.requests, why="nobody was dialled")[0].split("\r\n")[0]
line = line.replace(str(carrier.port), "PORT")
seen("the carrier is sent", line, "INVITE sip:127.0.0.1:PORT SIP/2.0")
seen("the officer's telephone is sent", officer.requests, [])
seen("the caller's telephone is sent", caller.requests, [])

ari.events.clear()
Telephone().call("12345")
third = ari.wait("StasisStart")["channel"]["id"]
ari.ask("POST", f"/channels/{third}/continue", context="in", extension="park-c")
back = ari.wait_for(lambda event: event["type"] == "StasisStart" and event["args"])
seen("with option c the caller himself comes back", back["channel"]["id"] == third, True)
PY
