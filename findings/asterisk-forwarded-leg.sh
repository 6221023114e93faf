#!/usr/bin/env bash
# A telephone that is set to forward (302) does not move its leg: the leg is destroyed, and another
# channel comes into the application with the first one's appArgs.
#
# The cause of that end is "Redirected" in about every second run and "Unknown" in the others: only
# the Dial event with `forwarded` links the two. For a desk: whoever takes ChannelDestroyed of the
# dialled leg as "the officer did not answer" rings the next one, or lets the caller go, while a
# colleague's telephone rings, is answered, and belongs to no call. Put a key of your own into
# appArgs and adopt by it.
set -euo pipefail
ASTERISK_VERSION=22.10.1
source "$(dirname "$0")/lib-asterisk.sh"

asterisk_start <<'DIALPLAN'
exten => 1002,1,Dial(PJSIP/1002)
DIALPLAN

guess 'the channel asked for (id leg-1) follows the forwarding, or its end is the end of the attempt'
"$PYTHON" - <<'PY'
import os

from lib_seen import seen
from lib_telephone import HOST, SIP_PORT, Ari, Telephone

ari = Ari()
forwarding = Telephone(
    int(os.environ["TELEPHONE_A"]), "302 Moved Temporarily", f"sip:1002@{HOST}:{SIP_PORT}"
)
colleague = Telephone(int(os.environ["TELEPHONE_B"]), "180 Ringing")
ari.ask("POST", "/channels", endpoint="PJSIP/1001", app="desk", appArgs="officer,1001",
        channelId="leg-1")
gone = ari.wait("ChannelDestroyed", channel="leg-1")
seen("end of leg-1", gone["type"], "ChannelDestroyed")
print("seen:     its cause, not the same in every run:", gone["cause_txt"])
colleague.invited()
seen("channels that came, while the colleague rings",
     [e["channel"]["id"] for e in ari.events if e["type"] == "StasisStart"], [])
colleague.say("200 OK")
came = ari.wait("StasisStart")
seen("who answers instead", came["channel"]["name"].split("/")[0], "Local")
seen("its id is the one asked for", came["channel"]["id"] == "leg-1", False)
seen("its args", came["args"], ["officer", "1001"])
seen("it says whom it replaces", "replace_channel" in came, False)
link = ari.wait_for(lambda event: event["type"] == "Dial" and "forwarded" in event)
seen("Dial.forwarded names it", link["forwarded"]["id"] == came["channel"]["id"], True)
PY
