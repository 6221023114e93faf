#!/usr/bin/env bash
# Who withholds his number still has one for Asterisk, and nothing marks it as withheld.
#
# A carrier delivers such a call as RFC 3323 says: From anonymous@anonymous.invalid and a Privacy
# header. For a desk: two callers in need look like one who calls again, and the button that calls
# back dials a word. Compare the number with the words that carriers use; do not ask for its
# presentation.
set -euo pipefail
ASTERISK_VERSION=22.10.1
source "$(dirname "$0")/lib-asterisk.sh"

asterisk_start <<'DIALPLAN'
exten => 12345,1,Stasis(desk)
DIALPLAN

guess 'caller.number is empty, or its presentation says that it is prohibited or unavailable'
"$PYTHON" - <<'PY'
from lib_seen import seen
from lib_telephone import Ari, Telephone

CASES = (
    ('"Anonymous" <sip:anonymous@anonymous.invalid>', "anonymous"),
    ("<sip:unavailable@127.0.0.1>", "unavailable"),
)
ari = Ari()
for sender, number in CASES:
    ari.events.clear()
    Telephone().call("12345", sender, more="Privacy: id\r\n")
    channel = ari.wait("StasisStart")["channel"]
    seen(f"number of {sender}", channel["caller"]["number"], number)
    for name, value in (("num-pres", "allowed_not_screened"), ("num-valid", "1")):
        told = ari.ask("GET", f"/channels/{channel['id']}/variable", variable=f"CALLERID({name})")
        seen(f"CALLERID({name})", told["value"], value)
PY
