#!/usr/bin/env bash
# recurring-ical-events: who is on duty "on the first of December" depends on how the day is written.
#
# at((2026, 12, 1)) and at("20261201") name the shift that began on the evening before and runs until
# eight, at(date(2026, 12, 1)) and between(date, date) do not. Its documentation lists tuple, date and
# string side by side as one day.
# For a desk: the roster of the day, made with date objects, has nobody from midnight to the morning.
# Ask with two aware datetimes (or the tuple), and test it with a shift over midnight.
set -euo pipefail
source "$(dirname "$0")/lib-common.sh"
python_with recurring-ical-events==3.8.2 icalendar==7.3.2

guess 'all ways to ask for one day give the same shifts'
"$PYTHON" - <<'PY'
from datetime import UTC, date, datetime

import icalendar
import recurring_ical_events
from lib_seen import seen

SHIFT = """BEGIN:VEVENT
UID:{0}
SUMMARY:{0}
DTSTART:20261128T{1}0000Z
DTEND:{2}0000Z
RRULE:FREQ=DAILY
END:VEVENT
"""
TEXT = f"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:duty
{SHIFT.format("day", "08", "20261128T20")}{SHIFT.format("night", "20", "20261129T08")}END:VCALENDAR
"""
roster = recurring_ical_events.of(icalendar.Calendar.from_ical(TEXT.replace("\n", "\r\n")))


def shifts(found) -> list[str]:
    return sorted(f"{event.start:%d %H:%M} {event['SUMMARY']}" for event in found)


WHOLE = ["01 08:00 day", "01 20:00 night", "30 20:00 night"]
GAP = ["01 08:00 day", "01 20:00 night"]
day, after = date(2026, 12, 1), date(2026, 12, 2)
seen("at((2026, 12, 1))", shifts(roster.at((2026, 12, 1))), WHOLE)
seen('at("20261201")', shifts(roster.at("20261201")), WHOLE)
seen("at(date(2026, 12, 1))", shifts(roster.at(day)), GAP)
seen("between(date, date)", shifts(roster.between(day, after)), GAP)
aware = (datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC))
seen("between(datetime, datetime)", shifts(roster.between(*aware)), WHOLE)
seen("at(01:00 of that day)", shifts(roster.at(datetime(2026, 12, 1, 1, tzinfo=UTC))), ["30 20:00 night"])
PY
