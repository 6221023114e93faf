#!/usr/bin/env bash
# An officer who presses Reject, and one in do-not-disturb, are told as "no answer".
#
# The Dial event has BUSY and CONGESTION, but nothing for a refusal: 603 ends as NOANSWER within
# milliseconds. A telephone in do-not-disturb (480) even gets the cause "User alerting, no answer"
# although it never rang, and 607 (Unwanted) one that says nothing.
# For a desk: statistics of who lets calls ring are wrong, and the next officer is tried late where
# a no-answer means a pause. Read tech_cause (the SIP status) of ChannelDestroyed.
set -euo pipefail
ASTERISK_VERSION=22.10.1
source "$(dirname "$0")/lib-asterisk.sh"
asterisk_start </dev/null

guess 'Dial says REJECTED or at least BUSY for 603; no alerting is told of a telephone that never rang'
"$PYTHON" - <<'PY'
import os

from lib_seen import seen
from lib_telephone import Ari, Telephone

CASES = {
    "486 Busy Here": ("BUSY", "User busy"),
    "603 Decline": ("NOANSWER", "Call Rejected"),
    "480 Temporarily Unavailable": ("NOANSWER", "User alerting, no answer"),
    "607 Unwanted": ("NOANSWER", "Interworking, unspecified"),
}
ari = Ari()
telephone = Telephone(int(os.environ["TELEPHONE_A"]))
for reply, as_found in CASES.items():
    ari.events.clear()
    telephone.reply = reply
    leg = ari.ask("POST", "/channels", endpoint="PJSIP/1001", app="desk", timeout=30)["id"]
    gone = ari.wait("ChannelDestroyed", channel=leg)
    status = ari.wait_for(lambda e: e["type"] == "Dial" and e["dialstatus"])["dialstatus"]
    seen(f"{reply}: Dial, cause", (status, gone["cause_txt"]), as_found)
    seen(f"{reply}: tech_cause", gone["tech_cause"], int(reply.split()[0]))
    seen(f"{reply}: it rang", any(e.get("dialstatus") == "RINGING" for e in ari.events), False)
PY
