"""The reader of the pages sees what is on them, and does not look away when something fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wheel.walking import Ports, Walk, commands, read_blocks, variants

FAKE = """#!/bin/sh
trap 'exit 0' INT
echo "linkage listens on nothing"
while :; do sleep 0.05; done
"""


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    program = tmp_path / "linkage"
    program.write_text(FAKE, encoding="utf-8")
    program.chmod(0o755)
    made = Walk(tmp_path, {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    yield made
    made.kill()


def take(walk: Walk, page: str) -> None:
    path = walk.folder / "page.md"
    path.write_text(page, encoding="utf-8")
    blocks = read_blocks(path)
    for block in blocks:
        walk.save(block)
    for block in blocks:
        walk.take(block)
    walk.end()


def test_what_one_block_sets_the_next_one_has(walk: Walk) -> None:
    take(walk, "```sh\nword=there\ncd .\n```\n\n```sh\ntest $word = there\n```\n")


@pytest.mark.parametrize("command", ["false", "false | true", "no-such-program", "false\ntrue"])
def test_a_command_that_fails_fails_the_page(walk: Walk, command: str) -> None:
    with pytest.raises(AssertionError):
        take(walk, f"```sh\n{command}\n```\n")


def test_a_traceback_fails_the_page_whatever_the_status_is(walk: Walk) -> None:
    with pytest.raises(AssertionError):
        take(walk, "```sh\necho 'Traceback (most recent call last):' >&2\n```\n")


def test_what_serves_is_up_for_the_blocks_below_and_gone_at_the_end(walk: Walk) -> None:
    take(walk, "```sh\nlinkage serve \\\n  -c x\n```\n\n```sh\ntest -e .program-0\n```\n")
    (program,) = walk.programs
    assert program.process.returncode == 0
    assert "listens on" in program.said()


def test_what_serves_and_ends_too_early_fails_the_page(walk: Walk) -> None:
    (walk.folder / "linkage").write_text("#!/bin/sh\necho listens on\nexit 3\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="ended with 3"):
        take(walk, "```sh\nlinkage serve\n```\n\n```sh\nsleep 0.5\n```\n")


def test_the_reader_waits_until_the_program_says_what_the_page_promises(walk: Walk) -> None:
    (walk.folder / "linkage").write_text(
        "#!/bin/sh\necho listens on\nsleep 0.3\ntouch done\necho all told\n", encoding="utf-8"
    )
    take(
        walk,
        "```sh\nlinkage serve\n```\n"
        "<!-- test: when it says all told -->\n```sh\ntest -e done\n```\n",
    )


def test_a_block_that_is_a_file_is_there_before_it_is_used(walk: Walk) -> None:
    take(
        walk,
        "```sh\ntest -s later.txt\n```\n\n<!-- test: save as later.txt -->\n```text\nx\n```\n",
    )


def test_python_that_is_neither_saved_nor_a_part_fails_the_page(walk: Walk) -> None:
    with pytest.raises(AssertionError, match="save it"):
        take(walk, "```python\nimport linkage\n```\n")
    with pytest.raises(SyntaxError):
        take(walk, "<!-- test: part: of some program -->\n```python\nawait await\n```\n")


def test_ways_through_a_page_exclude_each_other(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\na\n```\n<!-- test: variant x -->\n```sh\nb\n```\n"
        "<!-- test: variant y -->\n```sh\nc\n```\n",
        encoding="utf-8",
    )
    blocks = read_blocks(page)
    assert variants(blocks) == ["x", "y"]
    assert [block.text for block in blocks if block.is_of("y")] == ["a\n", "c\n"]
    assert [block.line for block in blocks] == [1, 5, 9]


def test_a_backslash_continues_a_command_and_a_comment_is_none() -> None:
    assert commands("# first\na \\\n  b\n\nc  # why\n") == ["a b", "c  # why"]


def test_the_ports_of_a_page_are_free_ones_and_the_same_at_every_mention() -> None:
    ports = Ports()
    text = ports.replaced(
        "linkage init try  # 127.0.0.1:7700\n--to 127.0.0.1:7799, 7700 17700 77001"
    )
    free, other = ports["7700"], ports["7799"]

    assert free != other
    assert text == (
        f"linkage init --listen 127.0.0.1:{free} try  # 127.0.0.1:{free}\n"
        f"--to 127.0.0.1:{other}, {free} 17700 77001"
    )
    assert ports.replaced("linkage init x --listen y").startswith("linkage init x")
