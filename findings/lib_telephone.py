"""What the findings about Asterisk call with: a small SIP telephone and an ARI client.

Nothing of linkage is in here: a finding must stand without it.
"""

import base64
import json
import os
import re
import secrets
import socket
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import websocket  # websocket-client, installed by the finding

HOST = "127.0.0.1"
SIP_PORT = int(os.environ["SIP_PORT"])
ARI = f"http://{HOST}:{os.environ['HTTP_PORT']}/ari"
CALLER = f"<sip:13912344444@{HOST}>"
VOICE, EVENT = 0, 101  # payload types
END_BIT_FROM = 5  # the last three packets of a key say that it ended
FRAME = b"\xff" * 160  # 20 ms of silence, G.711 mu-law


def until(what: Callable[[], Any], seconds: float = 20.0, why: str = "nothing happened") -> Any:
    """Return the first true value of `what`; raise `TimeoutError` if there is none in time."""
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise TimeoutError(why)
        time.sleep(0.02)
    return found


class Telephone:
    """One telephone with one call at a time; it answers an INVITE with what `reply` says.

    `reply` is a status line such as "200 OK", and `contact` the target of a 302.
    """

    def __init__(self, port: int = 0, reply: str = "200 OK", contact: str = "") -> None:
        self.reply, self.contact = reply, contact
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind((HOST, port))
        self.port = self.sip.getsockname()[1]
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((HOST, 0))
        self.requests: list[str] = []  # what came, whole
        self.heard: list[tuple[float, int, bytes]] = []  # time, payload type, payload
        self.talking = threading.Event()
        self.digits: list[int] = []
        self.far: tuple[str, int] | None = None
        self.dialog: dict[str, str] = {}
        for job in (self._listen, self._hear, self._talk):
            threading.Thread(target=job, daemon=True).start()

    def call(self, number: str, sender: str = CALLER, more: str = "") -> None:
        """Call `number`; `sender` is a whole From header without its tag, `more` whole lines."""
        self.dialog = {
            "call": f"{secrets.token_hex(4)}@{HOST}",
            "near": f"{sender};tag={secrets.token_hex(4)}",
            "far": f"<sip:{number}@{HOST}:{SIP_PORT}>",
            "target": f"sip:{number}@{HOST}:{SIP_PORT}",
        }
        self._request("INVITE", 1, self._sdp(), more)

    def digit(self, event: int) -> None:
        """Press a key: RFC 4733, in the middle of one's own stream."""
        self.digits.append(event)

    def _sdp(self) -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {self.rtp.getsockname()[1]} RTP/AVP 0 101\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
        )

    def _request(self, method: str, number: int, body: str = "", more: str = "") -> None:
        known = self.dialog
        kind = "Content-Type: application/sdp\r\n" if body else ""
        branch = f"z9hG4bK{secrets.token_hex(4)}"
        text = (
            f"{method} {known['target']} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self.port};rport;branch={branch}\r\n"
            f"From: {known['near']}\r\nTo: {known['far']}\r\nCall-ID: {known['call']}\r\n"
            f"CSeq: {number} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:{HOST}:{self.port}>\r\n"
            f"{more}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.sip.sendto(text.encode(), (HOST, SIP_PORT))

    def _listen(self) -> None:
        while True:
            data, peer = self.sip.recvfrom(65535)
            text = data.decode(errors="replace")
            first = text.split("\r\n", 1)[0]
            if audio := re.search(r"m=audio (\d+)", text):
                self.far = (HOST, int(audio[1]))
            if first.startswith("SIP/2.0"):
                self._answered(first, text)
            else:
                self.requests.append(text)
                self._asked(first.split()[0], text, peer)

    def _answered(self, first: str, text: str) -> None:
        if re.search(r"CSeq: \d+ INVITE", text) and first >= "SIP/2.0 2":
            self.dialog["far"] = re.search(r"To: (.*)\r\n", text)[1]
            if target := re.search(r"Contact: <(.*?)>", text):
                self.dialog["target"] = target[1]
            self._request("ACK", 1)

    def _asked(self, method: str, text: str, peer: tuple[str, int]) -> None:
        if method == "INVITE":
            self.invite = text, peer
            self.say(self.reply)
        elif method == "CANCEL":
            self._send("200 OK", text, peer)
            self._send("487 Request Terminated", *self.invite)
        elif method != "ACK":
            self._send("200 OK", text, peer)

    def invited(self) -> str:
        """Return the first INVITE, when it is there."""

        def found() -> str | None:
            return next((r for r in list(self.requests) if r.startswith("INVITE")), None)

        return until(found, why=f"port {self.port} was not called")

    def say(self, status: str) -> None:
        """Answer the INVITE that came last."""
        self._send(status, *self.invite)

    def _send(self, status: str, text: str, peer: tuple[str, int]) -> None:
        keep = [h for h in text.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq):", h)]
        to = re.search(r"To: (.*)\r\n", text)[1]
        to += "" if "tag=" in to else f";tag={self.port}"
        invited = "INVITE" in text.split("\r\n", 1)[0]
        body = self._sdp() if invited and status[:3] in {"183", "200"} else ""
        contact = self.contact if status.startswith("3") else f"sip:{HOST}:{self.port}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        head = "\r\n".join([f"SIP/2.0 {status}", *keep, f"To: {to}", f"Contact: <{contact}>"])
        answer = f"{head}\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        self.sip.sendto(answer.encode(), peer)

    def _hear(self) -> None:
        while True:
            data = self.rtp.recv(2048)
            self.heard.append((time.monotonic(), data[1] & 0x7F, data[12:]))

    def _talk(self) -> None:
        sequence, stamp, source = 1, 0, secrets.randbelow(2**32)
        while True:
            self.talking.wait()
            packets = _key(self.digits.pop(0)) if self.digits else [(VOICE, 0, FRAME)]
            for kind, marker, payload in packets:
                fields = (0x80, kind | marker << 7, sequence & 0xFFFF, stamp, source)
                if self.far:
                    self.rtp.sendto(struct.pack("!BBHII", *fields) + payload, self.far)
                sequence += 1
                time.sleep(0.02)
            stamp += 160 * len(packets)  # all packets of a key carry the time of its beginning


def _key(event: int) -> list[tuple[int, int, bytes]]:
    packets = []
    for number in range(8):
        ended = number >= END_BIT_FROM
        length = 160 * min(number + 1, END_BIT_FROM + 1)
        payload = struct.pack("!BBH", event, 10 | ended << 7, length)
        packets.append((EVENT, int(number == 0), payload))
    return packets


class Ari:
    """ARI of this Asterisk: requests, and every event of one application in `events`."""

    def __init__(self, app: str = "desk") -> None:
        self.events: list[dict] = []
        self.socket = websocket.create_connection(
            f"ws://{HOST}:{os.environ['HTTP_PORT']}/ari/events?app={app}&api_key=desk:desk"
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while text := self.socket.recv():
            self.events.append(json.loads(text) | {"seen": time.monotonic()})

    def wait(self, kind: str, seconds: float = 20.0, **fields: object) -> dict:
        """Return the first event of this kind; `channel="X"` compares with the channel's id."""
        return self.wait_for(lambda event: self._fits(event, kind, fields), seconds)

    def wait_for(self, fits: Callable[[dict], object], seconds: float = 20.0) -> dict:
        """Return the first event that fits."""

        def found() -> dict | None:
            return next((event for event in list(self.events) if fits(event)), None)

        return until(found, seconds, "the event did not come")

    @staticmethod
    def _fits(event: dict, kind: str, fields: dict[str, object]) -> bool:
        def value(name: str) -> object:
            part = event.get(name)
            return part.get("id") if isinstance(part, dict) and "id" in part else part

        return event["type"] == kind and all(value(n) == v for n, v in fields.items())

    def ask(self, method: str, path: str, **query: object) -> Any:
        """Return the answer's JSON; an HTTP error is an exception."""
        url = f"{ARI}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, method=method)  # noqa: S310 - http on loopback
        request.add_header("Authorization", "Basic " + base64.b64encode(b"desk:desk").decode())
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return json.loads(answer.read() or b"null")
