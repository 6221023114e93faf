"""A duty desk over plain TCP: `LINKAGE_SECRET=… plain_client.py HOST PORT APP_ID EVENT_ID`."""

import hmac
import os
import secrets
import socket
import struct
import sys
import threading
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

MESSAGE, HEARTBEAT = 1, 2  # and 3, a fragment: the rest of the message follows
host, port, app_id, event_id = sys.argv[1:]
sock = socket.create_connection((host, int(port)))
stream, lock, calls, done, xml = sock.makefile("rb"), threading.Lock(), set(), set(), b""


def send(text, flag=MESSAGE):
    data = text.encode()
    with lock:
        sock.sendall(struct.pack(">BBH", flag, 0, len(data)) + data)


def request(kind, **elements):
    body = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
    send(f'<request Id="{secrets.token_hex(8)}" Type="{kind}">{body}</request>')


def beat():
    while time.sleep(8) is None:
        send("", HEARTBEAT)


now, nonce = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), secrets.token_hex(16)
signed = f"290\n{app_id}\n{now}\n{nonce}".encode()
digest = hmac.new(os.environ["LINKAGE_SECRET"].encode(), signed, "sha256").hexdigest()
request(290, AppId=app_id, ProtoVer="1", Time=now, Nonce=nonce, Digest=digest)
threading.Thread(target=beat, daemon=True).start()
while header := stream.read(4):
    flag, _, size = struct.unpack(">BBH", header)
    xml += stream.read(size)
    if flag == MESSAGE:
        message, xml = ET.fromstring(xml), b""
        kind, fields = message.get("Type"), {part.tag: part.text for part in message}
        print(message.tag, kind, fields or message.attrib, flush=True)
        if message.tag == "response":
            if int(message.get("Result")) >= 10:
                sys.exit("linkage refused")
            continue
        if kind == "100" and message.get("Seq", message) not in done:
            calls.add(fields["CallId"])
            request(201, CallId=fields["CallId"], EventId=event_id)
        done.add(message.get("Seq", message))  # Ids and CallIds may come again, a Seq never
        send(f'<response RequestId="{message.get("Id")}" Type="{kind}" Result="0"/>')
        if kind == "102" and fields.get("CallId") in calls:  # the call, not just a leg of it
            sys.exit(0)
sys.exit("linkage closed the connection")
