"""The log of `linkage serve`: every line of it an object, and nobody waits for who reads it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from linkage.client import Application, Platform
from protocol import messages as m

ROOT: Final = Path(__file__).parents[2]
SECRET: Final = "a secret of the tests"
WAIT_S: Final = 30.0
NOTICES: Final = 400
"""Their lines are more than the 64 KiB that a pipe holds; then a write to it blocks."""
TOML: Final = f"""
listen = ["127.0.0.1:0"]

[log]
format = "json"
messages = true
mask_numbers = true

[[peer]]
id = "desk"
role = "application"
secret = "{SECRET}"

[[peer]]
id = "pbx"
role = "platform"
secret = "{SECRET}"
"""


@asynccontextmanager
async def serving(
    folder: Path, stderr: int
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, int]]:
    """A server, and where it listens."""
    config = folder / "linkage.toml"
    config.write_text(TOML)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "linkage", "serve", "-c", config,
        stdout=asyncio.subprocess.PIPE, stderr=stderr,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            line = (await process.stdout.readline()).decode()
        host, _, port = line.split(" listens on ")[1].strip().rpartition(":")
        yield process, host, int(port)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Its end to read and its end to write; nobody reads it by itself."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


async def call(host: str, port: int, notices: int) -> int:
    """One call with so many notices; how many of them were accepted."""
    async with (
        asyncio.timeout(WAIT_S),
        Platform(host, port, "pbx", secret=SECRET) as pbx,
        Application(host, port, "desk", secret=SECRET) as desk,
    ):
        await pbx.notify(
            m.IncomingCallNotice(
                call_id="C1", direction=m.CallDirection.IN, phone_num="13912344444", to_num="2222"
            )
        )
        await (await desk.next_notice()).acknowledge()
        await desk.send(m.CreateEvent(call_id="C1", event_id="E1"))
        answers = await asyncio.gather(
            *(pbx.notify(m.CallDataNotice(call_id="C1", version=n)) for n in range(notices))
        )
        return len(answers)


async def test_every_line_is_an_object_that_names_what_it_concerns(tmp_path: Path) -> None:
    path = tmp_path / "stderr"
    with path.open("w") as stderr:
        async with serving(tmp_path, stderr.fileno()) as (process, host, port):
            await call(host, port, 1)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WAIT_S):
                assert await process.wait() == 0
    logged = path.read_bytes()
    lines: list[dict[str, Any]] = [json.loads(line) for line in logged.splitlines()]
    assert all(line.keys() >= {"timestamp", "level", "logger", "event"} for line in lines)
    taken = [line for line in lines if line["event"] == "113 CallDataNotice of pbx accepted"]
    (line,) = taken
    assert (line["peer"], line["event_id"], line["op_id"]) == ("pbx", "E1", "1")
    assert any(line["event"].endswith("is here") and line["peer"] == "desk" for line in lines)
    assert any("is gone" in line["event"] and line["peer"] == "pbx" for line in lines)
    assert b"13912344444" not in logged
    assert lines[-1]["event"] == "stopped"


async def test_a_log_that_nobody_reads_holds_up_no_message_and_no_end(tmp_path: Path) -> None:
    with pipe() as (_, stderr):
        async with serving(tmp_path, stderr) as (process, host, port):
            assert await call(host, port, NOTICES) == NOTICES
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WAIT_S):
                assert await process.wait() == 0
