"""Walks through a page of the documentation as its reader does: block by block, in a shell.

What a block needs to be told stands in a comment right above its fence, which no reader sees:

`<!-- test: save as NAME -->`       a file that the reader makes of the block (any language)
`<!-- test: variant NAME -->`       one of several ways; the page is walked once for each
`<!-- test: not run: REASON -->`    needs what a test machine does not have
`<!-- test: part: REASON -->`       Python that is part of a program; it must compile
`<!-- test: when it has ended -->`  the reader waits for the programs that end by themselves
`<!-- test: when it says WORDS -->` the reader waits for a line of the program started last

The ports of the pages are replaced by free ones: nothing else that runs here is in the way, nor
are several walks at a time.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

RUN: Final = ("sh", "python")
"""Languages whose blocks are commands, unless a comment says otherwise."""
WITHIN_S: Final = 120.0
LOOK_S: Final = 0.05

STAYS: Final = {
    r"linkage serve --only core": r"the core is at",
    r"linkage serve --only gateway": r"has a core",
    r"linkage serve": r"listens on",
    r"linkage simulate (platform|application|screen)": r"ready with",
    r"linkage simulate fault": r"leads to",
    r"linkage simulate sms-centre": r"Ctrl-C stops it",
    r"linkage conformance": r"the kit waits for it at",
    r"linkage journal tail -f": r".",
}
"""Commands that go on until they are stopped → what they print when they are ready."""
ENDS: Final = {
    r"(python3|node) plain_client|java PlainClient": r"response (290|\{)",
    r"python3 duty_desk.py": r"^",
}
"""Commands that wait for something of a later block and then end by themselves, content."""

PORT: Final = re.compile(r"(?<![\w.])(?:7[78]\d\d|946\d)(?!\w)")
"""The ports that the pages name: of linkage, and of what watches it."""
UNNAMED: Final = re.compile(r"\blinkage init (?!.*--listen)")
"""What makes a site that listens on the port that goes without saying."""


class Ports(dict[str, str]):
    """Port on a page → a free one of this machine, the same at every mention."""

    def __missing__(self, written: str) -> str:
        given = set(self.values())  # what was free a moment ago may be given again
        while self.get(written) is None or self[written] in given:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self[written] = str(free.getsockname()[1])
        return self[written]

    def replaced(self, text: str) -> str:
        """A text of a page with free ports in place of those that it names."""
        listening = UNNAMED.sub("linkage init --listen 127.0.0.1:7700 ", text)
        return PORT.sub(lambda match: self[match[0]], listening)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line` is that of its fence."""

    line: int
    language: str
    text: str
    notes: tuple[str, ...]

    def note(self, kind: str) -> str | None:
        """What a comment of this kind says; None: there is none."""
        found = [
            note.removeprefix(kind).lstrip(" :") for note in self.notes if note.startswith(kind)
        ]
        return found[0] if found else None

    def is_of(self, variant: str) -> bool:
        """Whether the reader comes by it who takes that way."""
        return self.note("variant") in {None, variant}


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page with the comments above them."""
    pattern = r"(?P<notes>(?:^<!-- test: .*? -->\n)*)^```(?P<language>\w*)\n(?P<text>.*?)^```$"
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text.count("\n", 0, match.end("notes")) + 1,
            language=match["language"],
            text=match["text"],
            notes=tuple(re.findall(r"^<!-- test: (.*?) -->$", match["notes"], re.MULTILINE)),
        )
        for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL)
    ]


def variants(blocks: list[Block]) -> list[str]:
    """The ways through a page; one without a name where there is but one."""
    return sorted({block.note("variant") or "" for block in blocks} - {""}) or [""]


def commands(text: str) -> list[str]:
    """The commands of a block: lines, with what a backslash continues."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    lines = [line for line in joined.splitlines() if line.strip()]
    return [line for line in lines if not line.lstrip().startswith("#")]


@dataclass(slots=True)
class Program:
    """Something that was started and stays."""

    command: str
    process: subprocess.Popen[bytes]
    output: Path
    ends: bool

    def said(self) -> str:
        """All it printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")


@dataclass(slots=True)
class Walk:
    """One reader in a folder, with the environment that the blocks leave behind.

    `environment` is all that the first command sees; walks of one site have the same `ports`.
    """

    folder: Path
    environment: dict[str, str]
    ports: Ports = field(default_factory=Ports)
    programs: list[Program] = field(default_factory=list)

    @property
    def _state(self) -> Path:
        return self.folder / ".environment"

    def save(self, block: Block) -> None:
        """Make the file that a block is."""
        name = block.note("save as")
        if name is not None:
            (self.folder / name).write_text(self.ports.replaced(block.text), encoding="utf-8")

    def take(self, block: Block) -> None:
        """Do what a reader does with a block."""
        if block.note("when it has ended") is not None:
            self._await_ends()
        words = block.note("when it says")
        if words is not None:
            self._await(self.programs[-1], re.escape(words))
        if block.note("save as") is not None:
            return
        if block.language not in RUN or block.note("not run") is not None:
            return
        if block.language == "python":
            assert block.note("part") is not None, f"line {block.line}: save it, or call it a part"
            compile(block.text, "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        else:
            self._run(commands(self.ports.replaced(block.text)))

    def _run(self, lines: list[str]) -> None:
        script: list[str] = []
        for line in lines:
            ready, ends = _staying(line)
            if ready is None:
                script.append(line)
                continue
            self._finish(script)
            self._start(line, ready, ends=ends)
            script = []
        self._finish(script)

    def _finish(self, script: list[str]) -> None:
        """Commands that end."""
        if not script:
            return
        done = subprocess.run(
            ["bash", "-c", self._prelude() + "\n".join(script) + f"\nexport -p > '{self._state}'"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        told = "\n".join((*script, done.stdout[-3000:], done.stderr[-3000:]))
        assert done.returncode == 0, told
        assert "Traceback" not in done.stderr, told

    def _start(self, line: str, ready: str, *, ends: bool) -> None:
        output = self.folder / f".program-{len(self.programs)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", self._prelude() + _executed(line)],
                cwd=self.folder,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        program = Program(line, process, output, ends)
        self.programs.append(program)
        self._await(program, ready)

    def _await(self, program: Program, words: str) -> None:
        until = time.monotonic() + WITHIN_S
        while True:
            ended = program.process.poll() is not None  # before a look at all that it said
            if re.search(words, program.said(), re.MULTILINE):
                return
            assert not ended, f"{program.command}\nended: {program.said()}"
            assert time.monotonic() < until, f"{program.command}\nsaid only: {program.said()}"
            time.sleep(LOOK_S)

    def _prelude(self) -> str:
        return f"set -ae -o pipefail\nif [ -f '{self._state}' ]; then . '{self._state}'; fi\n"

    def end(self) -> None:
        """At the end of the page: what waits for something has had it; the rest is stopped.

        Raises:
            AssertionError: a program ended otherwise, or with a traceback.
        """
        self._await_ends()
        for program in reversed(self.programs):
            if program.ends:
                continue
            if program.process.poll() is None:
                os.killpg(program.process.pid, signal.SIGINT)
                program.process.wait(WITHIN_S)
            else:  # a simulator whose story is over
                status = program.process.returncode
                assert status == 0, f"{program.command}\nended with {status}: {program.said()}"
        for program in self.programs:
            assert "Traceback" not in program.said(), f"{program.command}\n{program.said()}"

    def _await_ends(self) -> None:
        for program in self.programs:
            if program.ends:
                status = program.process.wait(WITHIN_S)
                assert status == 0, f"{program.command}\nended with {status}: {program.said()}"

    def kill(self) -> None:
        """Whatever happened: nothing stays behind."""
        for program in self.programs:
            if program.process.poll() is None:
                os.killpg(program.process.pid, signal.SIGKILL)
                program.process.wait()


def _staying(line: str) -> tuple[str | None, bool]:
    """What a command prints when it is ready, and whether it ends by itself; None: no such one."""
    plain = re.sub(r'^(\w+=("[^"]*"|\S*) +)+', "", line.strip())
    for table, ends in ((STAYS, False), (ENDS, True)):
        for pattern, ready in table.items():
            if re.match(pattern, plain):
                return ready, ends
    return None, False


def _executed(line: str) -> str:
    """Behind its assignments the program is the shell itself, so that signals reach it."""
    return re.sub(r'^((?:\w+=(?:"[^"]*"|\S*) +)*)', r"\1exec ", line.strip())
