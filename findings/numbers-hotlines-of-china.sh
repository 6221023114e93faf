#!/usr/bin/env bash
# phonenumbers: the city hotline 12345 behind an area code is a number in Beijing and none in
# Shenzhen, and 122, the police's number for road accidents, is no emergency number.
#
# People write and dial the hotline of another city as area code and 12345. The library takes that
# by the length of the area code: three digits (010, 02x) yes, four no, while 95598 (electricity)
# passes behind both. As an E.164 number every short number becomes something that no network knows.
# For a desk: whoever checks with is_valid_number refuses to call the hotlines of most cities.
# Decide about service numbers by rules of your own, before the library.
set -euo pipefail
source "$(dirname "$0")/lib-common.sh"
python_with phonenumbers==9.0.43

guess 'AREA-12345 is valid for all area codes or for none; 110, 119, 120 and 122 are emergency numbers'
"$PYTHON" - <<'PY'
import phonenumbers
from lib_seen import seen
from phonenumbers import is_emergency_number

def valid(number: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(number, "CN"))

SHORT, LONG = ("010", "021", "027"), ("0755", "0571", "0991")
seen(f"12345 behind {SHORT}", [valid(f"{area}-12345") for area in SHORT], [True] * 3)
seen(f"12345 behind {LONG}", [valid(f"{area}-12345") for area in LONG], [False] * 3)
seen(f"95598 behind {LONG}", [valid(f"{area}-95598") for area in LONG], [True] * 3)
seen("12345 and 95598 alone", [valid("12345"), valid("95598")], [False] * 2)
emergency = [number for number in ("110", "119", "120", "122") if is_emergency_number(number, "CN")]
seen("emergency numbers of China", emergency, ["110", "119", "120"])
hotline = phonenumbers.parse("110", "CN")
seen("110 in E.164", phonenumbers.format_number(hotline, phonenumbers.PhoneNumberFormat.E164), "+86110")
seen("that one is an emergency number", is_emergency_number("+86110", "CN"), False)
PY
