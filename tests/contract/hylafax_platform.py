"""A fax server for the contract: the simulator, whose jobs end when the contract wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from linkage.clock import SystemClock
from linkage.ports import FilesPort
from protocol import messages as m
from protocol.message import Message
from pytest_linkage.contract.platform import Delivery, Expected, PlatformDouble
from simulators.fax_server import Behaviour, FaxServer, Received
from simulators.fax_server.spool import tiff

PASSWORD: Final = "pw-nobody-reads"[:8]
WRONG: Final = "wrong-pw"
SILENT: Final = Behaviour(meaning="the contract says what becomes of it", is_silent=True)


class HylafaxPlatform(PlatformDouble):
    """Keeps what came in, and shows it to whoever looks."""

    tells_again = True

    def __init__(self) -> None:
        super().__init__()
        self.server = FaxServer(users={"linkage": PASSWORD}, behaviour=lambda _: SILENT)
        self._hidden: list[Received] = []
        self._count = 0
        self._file_id = ""

    async def prepare(self, files: FilesPort) -> None:
        async def content() -> AsyncIterator[bytes]:
            yield tiff(3)

        self._file_id = (await files.save("alarm.tif", content())).file_id

    # --- the wire --------------------------------------------------------------------------------
    @property
    def settings(self) -> Mapping[str, Any]:
        host, port = self.server.address
        return {
            "address": f"{host}:{port}", "user": "linkage", "password": PASSWORD,
            "number": "12345", "response_s": 1.0, "poll_s": 0.05,
        }  # fmt: skip

    @property
    def secrets(self) -> Sequence[str]:
        return [PASSWORD, WRONG]

    @property
    def wrong_settings(self) -> Mapping[str, Any]:
        return {**self.settings, "password": WRONG}

    async def start(self) -> None:
        for fax in self._hidden:
            self.server.received[fax.file] = fax
        self._hidden.clear()
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()

    def freeze(self) -> None:
        self.server.flows.clear()

    def thaw(self) -> None:
        self.server.flows.set()

    async def emit(self, event: Received) -> None:
        self.server.received[event.file] = event

    async def pass_on(self, event: Received) -> None:
        if self.delivery is Delivery.LOST:
            self._hidden.append(event)
        else:
            await super().pass_on(event)

    async def garbage(self) -> None:
        """Rows that are none, and files that are no faxes."""
        for number, station in enumerate(("\x1f", "\x1f" * 20, "a\nb", "\x85", "{}|%s")):
            name = f"../{number}.tif" if number % 2 else f"bad{number}.tif"
            self.server.received[name] = Received(
                name, tiff(1), "not a number", station, SystemClock().utc()
            )
        lies = Received("lies.tif", tiff(1), "1" * 99, "x", SystemClock().utc())
        lies.pages = -1
        self.server.received["lies.tif"] = lies

    # --- what happens ----------------------------------------------------------------------------
    async def occur(self) -> Expected:
        self._count += 1
        number = f"1390000{self._count:04}"
        await self.pass_on(
            Received(
                f"fax{self._count:09}.tif",
                tiff(2),
                number,
                f"STATION {self._count}",
                SystemClock().utc(),
            )
        )
        return Expected(
            m.FaxReceivedNotice,
            {"phone_num": number, "pages": 2, "csid": f"STATION {self._count}"},
        )

    def command(self) -> Message:
        self._count += 1
        phones = tuple(m.Phone(number=f"{n}0000{self._count:04}") for n in (138, 137))
        return m.SendFax(fax_id=f"P{self._count}", phone_nums=phones, file_id=self._file_id or "x")

    def done(self, command: Message) -> int:
        """Each of the two numbers is to be faxed once; the worse of the two counts."""
        assert isinstance(command, m.SendFax)
        return max(len(self.server.jobs_to(each.number)) for each in command.phone_nums)

    async def conclude(self, command: Message, request_id: str) -> Sequence[Expected]:
        assert isinstance(command, m.SendFax)
        told: list[Expected] = []
        for phone in command.phone_nums:
            for job in self.server.jobs_to(phone.number):
                self.server.finish(job)
                names = {
                    "request_id": request_id, "fax_id": command.fax_id, "phone_num": phone.number,
                    "status": m.FaxStatus.DONE, "pages_sent": 3, "pages": 3,
                }  # fmt: skip
                told.append(Expected(m.FaxResultNotice, names))
        return told
