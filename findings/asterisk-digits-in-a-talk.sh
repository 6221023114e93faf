#!/usr/bin/env bash
# Keys that a caller presses in a plain mixing bridge of two are told to nobody.
#
# ARI has ChannelDtmfReceived for every channel of the application, and a channel alone, or in a
# bridge of three, does send it. In a bridge of two whose telephones speak the same codec Asterisk
# takes itself out of the stream (technology native_rtp), and the keys of RFC 4733 pass by.
# For a desk: "press 1 if you cannot speak" works in the menu and not once an officer is there.
# Make the bridge `mixing,dtmf_events`.
set -euo pipefail
ASTERISK_VERSION=22.10.1
source "$(dirname "$0")/lib-asterisk.sh"

asterisk_start <<'DIALPLAN'
exten => 12345,1,Stasis(desk)
DIALPLAN

guess 'ChannelDtmfReceived comes for both kinds of bridge'
"$PYTHON" - <<'PY'
import os

from lib_seen import seen
from lib_telephone import Ari, Telephone, until

ari = Ari()
officer = Telephone(int(os.environ["TELEPHONE_A"]))
for kind, technology, told in (("mixing", "native_rtp", []), ("mixing,dtmf_events", "simple_bridge", ["5"])):
    ari.events.clear()
    officer.heard.clear()
    caller = Telephone()
    caller.call("12345")
    first = ari.wait("StasisStart")["channel"]["id"]
    ari.ask("POST", f"/channels/{first}/answer")
    second = ari.ask("POST", "/channels", endpoint="PJSIP/1001", app="desk")["id"]
    ari.wait("StasisStart", channel=second)
    bridge = ari.ask("POST", "/bridges", type=kind)["id"]
    ari.ask("POST", f"/bridges/{bridge}/addChannel", channel=f"{first},{second}")
    caller.talking.set()
    officer.talking.set()
    until(lambda: len(officer.heard) > 25, why="the officer hears nothing")
    caller.digit(5)
    until(lambda: any(kind == 101 for _, kind, _ in officer.heard), why="no key arrived")
    until(lambda: len(officer.heard) > 100)
    seen(f"{kind}: technology", ari.ask("GET", f"/bridges/{bridge}")["technology"], technology)
    seen(f"{kind}: keys told", [e["digit"] for e in ari.events if e["type"] == "ChannelDtmfReceived"], told)
    for channel in (first, second):
        ari.ask("DELETE", f"/channels/{channel}")
PY
