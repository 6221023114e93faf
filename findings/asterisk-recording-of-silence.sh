#!/usr/bin/env bash
# A recording ends for good, as `done`, when its party sends no packets for four seconds.
#
# maxSilenceSeconds is 0 (no limit) and the call goes on. No packets is what a telephone with
# silence suppression, a telephone on hold or a bad radio link sends. For a desk: the minutes after
# that are not recorded, and the event is the same as that of a recording that was stopped.
# Take RecordingFinished of a call that still stands as a break, and start the next part.
set -euo pipefail
ASTERISK_VERSION=22.10.1
source "$(dirname "$0")/lib-asterisk.sh"

asterisk_start <<'DIALPLAN'
exten => 12345,1,Stasis(desk)
DIALPLAN

guess 'the recording runs until the call ends or somebody stops it; silence is recorded as silence'
"$PYTHON" - <<'PY'
import time

from lib_seen import seen
from lib_telephone import Ari, Telephone, until

ari = Ari()
caller = Telephone()
caller.call("12345")
channel = ari.wait("StasisStart")["channel"]["id"]
ari.ask("POST", f"/channels/{channel}/answer")
caller.talking.set()
until(lambda: caller.far, why="the call is not answered")
bridge = ari.ask("POST", "/bridges", type="mixing")["id"]
for what, path in (("channel", f"/channels/{channel}"), ("bridge", f"/bridges/{bridge}")):
    if what == "bridge":
        ari.ask("POST", f"/bridges/{bridge}/addChannel", channel=channel)
    ari.events.clear()
    ari.ask("POST", f"{path}/record", name=what, format="wav", maxSilenceSeconds=0)
    ari.wait("RecordingStarted")
    time.sleep(1.5)
    caller.talking.clear()
    silent = time.monotonic()
    ended = ari.wait("RecordingFinished", 15)
    seen(f"{what}: state", ended["recording"]["state"], "done")
    seen(f"{what}: four or five seconds after the last packet", 3.5 < ended["seen"] - silent < 6, True)
    seen(f"{what}: the call", ari.ask("GET", f"/channels/{channel}")["state"], "Up")
    caller.talking.set()
PY
