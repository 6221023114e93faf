"""Telephones by SIPp: callers who dial the hotline, officers who answer, or do not.

::

    officer = SippOfficer("1001", answer_after_s=0.5)
    async with AsteriskServer(officers={"1001": officer.port}) as asterisk, officer:
        caller = SippCaller(asterisk.sip_port, dials="12345", number="13800138000",
                            script=(Talk(2), Dtmf("5"), Talk(1)))
        async with caller:
            await caller.wait()         # raises PeerError with SIPp's own words
    assert caller.log == ["answered", "hung up"]

After its script a telephone hangs up; being hung up on earlier is no failure. Each telephone
sends a tone of its own as PCMU, so a recording tells who spoke (`audio.share_of`).
"""

import asyncio
import os
import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from tests.real.peers.asterisk import PeerError
from tests.real.peers.audio import write_tone
from tests.real.peers.ports import LOOPBACK, free_port, free_ports, is_heard

SCENARIOS: Final = Path(__file__).parent / "scenarios"
CALLER_TONE_HZ: Final = 440
OFFICER_TONE_HZ: Final = 1000
# SIPp binds its echo socket first and takes streams from the ports after it.
RTP_PORTS: Final = 40
STOP_TIMEOUT_S: Final = 30.0
WAIT_TIMEOUT_S: Final = 60.0
FOREVER_S: Final = 3600.0
# What an outgoing call may be refused with.
REFUSALS: Final = (400, 403, 404, 408, 480, 484, 486, 488, 500, 501, 503, 600, 603)
BUSY: Final = "486 Busy Here"
REJECTED: Final = "603 Decline"
UNALLOCATED: Final = "404 Not Found"
UNAVAILABLE: Final = "480 Temporarily Unavailable"


@dataclass(frozen=True, slots=True)
class Talk:
    """Send the tone and listen for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Dtmf:
    """Press keys, told by SIP INFO."""

    digits: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Put the other side on hold as a telephone does: re-INVITE with sendonly."""


@dataclass(frozen=True, slots=True)
class Unhold:
    """Take the other side back: re-INVITE with sendrecv."""


@dataclass(frozen=True, slots=True)
class Refer:
    """Transfer blindly with the telephone's own transfer key: REFER."""

    number: str


Step = Talk | Dtmf | Hold | Unhold | Refer
Script = Sequence[Step]


class Sipp(ABC):
    """One SIPp process with a scenario made for it, in a folder of its own."""

    def __init__(self, *, number: str, tone_hz: float) -> None:
        """Choose ports; nothing is started yet."""
        self.number = number
        self.port = free_port()
        self._tone_hz = tone_hz
        self._media_port = free_ports(RTP_PORTS)[0]
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._log: list[str] = []
        self._errors = ""

    async def __aenter__(self) -> Self:
        """Start the telephone."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Put it away, whatever it is doing."""
        await self.stop()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        """SIPp's exit status: 0 all calls went by the scenario, 1 one did not; None: it runs."""
        return self._process.returncode if self._process else None

    @property
    def log(self) -> list[str]:
        """What happened, in the words of the scenario: invited, ringing, answered, hung up …"""
        return self._read("calls.log", self._log)

    @property
    def errors(self) -> str:
        """What SIPp complained of, with the message that it did not expect."""
        return "\n".join(filter(None, [self._errors, *self._read("errors.log", [])]))

    async def start(self) -> None:
        """Write the scenario, start SIPp, and return when it hears calls.

        Raises:
            PeerError: it ended instead, with its own words.
        """
        if self.running:
            return
        self._folder = folder = Path(tempfile.mkdtemp(prefix="linkage-sipp-"))
        tone = folder / "tone.ulaw"
        write_tone(tone, self._tone_hz)
        (folder / "scenario.xml").write_text(self._scenario(tone))
        with (folder / "console.log").open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "sipp"),
                *("-sf", "scenario.xml", "-i", LOOPBACK, "-p", str(self.port)),
                *("-mi", LOOPBACK, "-mp", str(self._media_port), "-nostdin"),
                *("-trace_err", "-error_file", "errors.log"),
                *("-trace_logs", "-log_file", "calls.log"),
                *("-trace_msg", "-message_file", "messages.log"),
                *self._arguments(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "TERM": "dumb"},
            )
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            # What is sent to it before is lost; no event tells when it listens.
            while self._process.returncode is None and not is_heard(self.port):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
        self.check()

    async def wait(self, timeout_s: float = WAIT_TIMEOUT_S) -> None:
        """Return when all calls went by the scenario; raise `PeerError` when they did not."""
        process = self._process
        if process is None:
            message = f"telephone {self.number} was not started"
            raise PeerError(message)
        try:
            status = await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            message = f"telephone {self.number} still busy after {timeout_s:g} s: {self.log}"
            raise PeerError(message) from None
        if status:
            message = f"telephone {self.number} ended with {status}: {self.log}\n{self.errors}"
            raise PeerError(message)

    def check(self) -> None:
        """Raise `PeerError` when it ended though nothing told it to, a bad scenario for one."""
        if self.returncode:
            message = f"telephone {self.number} ended with {self.returncode}\n{self.errors}"
            raise PeerError(message)

    async def stop(self) -> None:
        """End it without a goodbye and remove its folder; `log` and `errors` stay readable."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        self._log, self._errors = self.log, self.errors
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def messages(self) -> str:
        """Return the SIP messages sent and received so far."""
        return "\n".join(self._read("messages.log", []))

    @abstractmethod
    def _arguments(self) -> tuple[str, ...]:
        """What SIPp is told beside the scenario."""

    @abstractmethod
    def _scenario(self, tone: Path) -> str:
        """The scenario, as XML."""

    def _read(self, name: str, otherwise: list[str]) -> list[str]:
        if self._folder is None:
            return otherwise
        with suppress(OSError):
            return (self._folder / name).read_text(errors="replace").splitlines()
        return []


class SippCaller(Sipp):
    """Somebody who dials a number and speaks."""

    def __init__(
        self,
        sip_port: int,
        *,
        dials: str,
        number: str = "13800138000",
        script: Script = (Talk(2),),
        patience_s: float = 30.0,
        calls: int = 1,
        tone_hz: float = CALLER_TONE_HZ,
    ) -> None:
        """Describe the call to `sip_port`; after `patience_s` without an answer it cancels."""
        super().__init__(number=number, tone_hz=tone_hz)
        self._sip_port = sip_port
        self._dials = dials
        self._script = script
        self._patience_s = patience_s
        self._calls = calls

    def _arguments(self) -> tuple[str, ...]:
        return (f"{LOOPBACK}:{self._sip_port}", "-m", str(self._calls), "-l", str(self._calls))

    def _scenario(self, tone: Path) -> str:
        refusals = "\n".join(
            f'  <recv response="{code}" optional="true" next="refused"'
            ' timeout="@PATIENCE_MS@" ontimeout="impatient">'
            f'<action><log message="refused {code}"/></action></recv>'
            for code in REFUSALS
        )
        names = {
            "REFUSALS": refusals,
            "NUMBER": self.number,
            "DIALS": self._dials,
            "PATIENCE_MS": str(round(self._patience_s * 1000)),
            "LOCAL": f"<sip:{self.number}@[local_ip]:[local_port]>;tag=[call_number]",
            "REMOTE": "[$remote]",
            "TARGET": "[next_url]",
            "TONE": str(tone),
        }
        return _fill(_part("caller.xml"), names, self._script, first_cseq=2)


class SippOfficer(Sipp):
    """An officer's telephone that takes calls until it is stopped."""

    def __init__(
        self,
        number: str,
        *,
        answer_after_s: float = 0.2,
        script: Script = (Talk(FOREVER_S),),
        refuses: str | None = None,
        calls: int | None = None,
        tone_hz: float = OFFICER_TONE_HZ,
    ) -> None:
        """Describe the telephone.

        `refuses` is a SIP status line such as `BUSY`; `answer_after_s=FOREVER_S` never answers;
        with `calls` it ends after so many, and `wait` returns.
        """
        super().__init__(number=number, tone_hz=tone_hz)
        self._answer_after_s = answer_after_s
        self._script = script
        self._refuses = refuses
        self._calls = calls

    def _arguments(self) -> tuple[str, ...]:
        return () if self._calls is None else ("-m", str(self._calls))

    def _scenario(self, tone: Path) -> str:
        names = {
            "NUMBER": self.number,
            "RING_MS": str(max(1, round(self._answer_after_s * 1000))),
            "STATUS": self._refuses or "",
            "LOCAL": "[$to];tag=[call_number]",
            "REMOTE": "[$from]",
            "TARGET": "[$target]",
            "TONE": str(tone),
        }
        template = "refuser.xml" if self._refuses else "officer.xml"
        return _fill(_part(template), names, self._script, first_cseq=1)


@cache
def _part(name: str) -> str:
    return (SCENARIOS / name).read_text()


def _fill(template: str, names: dict[str, str], script: Script, *, first_cseq: int) -> str:
    """Put the parts into a scenario, then the names into the parts."""
    cseq = first_cseq
    steps: list[str] = []
    for step in script:
        name, values = _step(step, number=len(steps))
        for each in values:
            steps.append(_put(_part(f"part-{name}.xml"), {**each, "CSEQ": str(cseq)}))
            cseq += name != "wait"
    parts = {
        "INVITED": _part("part-invited.xml"),
        "CANCELLED": _part("part-cancelled.xml"),
        "AUDIO": _part("part-audio.xml"),
        "SCRIPT": "".join(steps),
        "HANGUP": _part("part-hangup.xml"),
        "GONE": _part("part-gone.xml"),
        "REPLY_HEADERS": (
            "      [last_Via:]\n      [last_From:]\n      [last_To:];tag=[call_number]\n"
            "      [last_Call-ID:]\n      [last_CSeq:]"
        ),
    }
    sdp = {"SDP_SENDRECV": _sdp("sendrecv", version=1)}
    return _put(_put(_put(template, parts), sdp), {**names, "CSEQ": str(cseq)})


def _step(step: Step, *, number: int) -> tuple[str, list[dict[str, str]]]:
    """Return the part that does a step, and its values once for each time it is needed."""
    match step:
        case Talk(seconds):
            return "wait", [{"STEP": str(number), "WAIT_MS": str(max(1, round(seconds * 1000)))}]
        case Dtmf(digits):
            return "dtmf", [{"DIGIT": digit} for digit in digits]
        case Hold():
            return "offer", [{"SDP": _sdp("sendonly", version=number + 2)}]
        case Unhold():
            return "offer", [{"SDP": _sdp("sendrecv", version=number + 2)}]
        case Refer(target):
            return "refer", [{"REFER_TO": target}]


def _sdp(direction: str, *, version: int) -> str:
    values = {"DIRECTION": direction, "VERSION": str(version)}
    return _put(_part("part-sdp.txt"), values).rstrip("\n")


def _put(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
