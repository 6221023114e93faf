"""An event from a script: `LINKAGE_SECRET=… python3 open_event.py HOST PORT APP_ID EVENT_ID`."""

import os
import sys

from linkage.blocking import Application
from protocol.messages import CreateEvent

host, port, app_id, event_id = sys.argv[1:]
with Application(host, int(port), app_id, secret=os.environ["LINKAGE_SECRET"]) as app:
    reply = app.send(CreateEvent(event_id=event_id, title="opened by a script"))
    print("event created:", reply.response)
    for notice in app.notices(timeout_s=1):  # ends when nothing has come for a second
        print(notice.message.number, notice.message)
