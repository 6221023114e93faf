from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from linkage.timeline.terminal_text import cells
from protocol import messages as m
from tests.fakes.embodiments import DESK, PBX, Writer, write_alarm
from tests.unit.linkage.cli.conftest import Run


def test_events_are_listed_for_people_within_eighty_columns(run: Run, alarm_config: Path) -> None:
    result = run("event", "list", "-c", alarm_config)

    lines = result.stdout.splitlines()
    assert lines[0].split() == ["EventId", "owner", "status", "opened", "ops", "title"]
    assert lines[1].split()[:3] == ["1213244", "desk", "open"]
    assert "化工厂火灾 fire at the plant" in lines[2]


def test_events_are_listed_for_programs(run: Run, alarm_config: Path) -> None:
    listed = json.loads(run("event", "list", "--json", "-c", alarm_config).stdout)

    assert [event["event_id"] for event in listed] == ["1213244", "1213243"]
    assert listed[1]["operations"] == 4
    assert run("event", "list", "--owner", "nobody", "-c", alarm_config).stdout == (
        "no such events\n"
    )


def test_an_event_is_shown_with_its_operations_files_and_entries(
    run: Run, alarm_config: Path
) -> None:
    shown = run("event", "show", "1213243", "-c", alarm_config).stdout

    assert "call 1  139123444444 → 2222  LoginId 13" in shown
    assert "bound: derived, by pbx" in shown
    assert "file F1.wav · wav · 32.0 kB · 2 s" in shown
    assert "201 CreateEvent 创建事件" in shown
    assert "100 normal clearing 正常结束" in shown


def test_an_event_for_programs_has_every_field_of_its_operations(
    run: Run, alarm_config: Path
) -> None:
    told = json.loads(run("event", "show", "1213243", "--json", "-c", alarm_config).stdout)

    call, recording = told["operations"][:2]
    assert call["kind"] == "call"
    assert call["started_at"] == "2026-11-22T08:00:00.250+00:00"
    assert (call["reason"], call["reason_text"], call["reason_text_zh"]) == (
        100, "normal clearing", "正常结束",
    )  # fmt: skip
    assert (call["cause"], call["author"]) == ("explicit", PBX)
    assert [binding["cause"] for binding in call["bindings"]] == ["created", "explicit"]
    assert recording["parent"] == call["op_id"]
    (file,) = recording["files"]
    assert (file["file_id"], file["size"], file["sha256"]) == ("F1.wav", 32_044, "0" * 64)
    assert [entry["type"] for entry in told["entries"]][:3] == [100, 115, 201]
    assert told["entries"][0]["fields"]["PhoneNum"] == "139123444444"
    assert told["event"]["owner"] == DESK


def test_an_unknown_event_is_one_line(run: Run, alarm_config: Path) -> None:
    for command in ("show", "timeline"):
        result = run("event", command, "99", "-c", alarm_config)

        assert result.exit_code == 1
        assert result.stderr == "linkage: no event has the EventId 99\n"


def test_an_event_of_two_owners_asks_for_the_owner(run: Run, alarm_config: Path) -> None:
    writer = Writer(alarm_config.parent / "data" / "linkage.db")
    writer.say("police", m.CreateEvent(event_id="1213243"), owner="police")
    writer.close()

    result = run("event", "show", "1213243", "-c", alarm_config)

    assert result.exit_code == 1
    assert "say whose by --owner" in result.stderr
    assert run("event", "show", "1213243", "--owner", "police", "-c", alarm_config).exit_code == 0


def test_a_recording_that_linkage_keeps_is_shown_with_its_path(
    run: Run, alarm_config: Path
) -> None:
    writer = Writer(alarm_config.parent / "data" / "linkage.db")
    write_alarm(writer, "E9", "c9", file_id="ab12cd34ef")
    writer.close()
    kept = alarm_config.parent / "data" / "files" / "ab" / "ab12cd34ef.wav"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"RIFF")

    told = json.loads(run("event", "show", "E9", "--json", "-c", alarm_config).stdout)

    assert told["operations"][1]["files"][0]["path"] == str(kept)


def test_hostile_field_data_cannot_steer_the_terminal(run: Run, alarm_config: Path) -> None:
    writer = Writer(alarm_config.parent / "data" / "linkage.db")
    writer.say(DESK, m.CreateEvent(event_id="E[bold]9", title="a\u202eb\u009b31m [red]x[/red]"))
    writer.close()

    for words in (("list",), ("show", "E[bold]9"), ("timeline", "E[bold]9"), ("list", "--json")):
        shown = run("event", *words, "-c", alarm_config).stdout
        assert "\u202e" not in shown
        assert "\u009b" not in shown
        assert "E[bold]9" in shown
    assert json.loads(shown)[0]["title"] == "a\u202eb\u009b31m [red]x[/red]"


@pytest.mark.parametrize(
    ("form", "begins"),
    [("text", "EventId 1213243"), ("mermaid", "sequenceDiagram"), ("svg", "<svg")],
)
def test_the_timeline_goes_to_stdout_or_into_a_file(
    run: Run, alarm_config: Path, tmp_path: Path, form: str, begins: str
) -> None:
    arguments = ("event", "timeline", "1213243", "--format", form, "-c", alarm_config)
    output = tmp_path / "picture"

    printed = run(*arguments).stdout
    written = run(*arguments, "-o", output)

    assert printed.startswith(begins)
    assert written.stdout == ""
    assert output.read_text(encoding="utf-8") == printed
    if form == "svg":
        etree.fromstring(printed.encode())


def test_a_brief_timeline_is_shorter(run: Run, alarm_config: Path) -> None:
    arguments = ("event", "timeline", "1213243", "-c", alarm_config)

    assert "115 CallStateNotice" in run(*arguments).stdout
    assert "115 CallStateNotice" not in run(*arguments, "--brief").stdout


def test_a_file_that_cannot_be_written_is_one_line(run: Run, alarm_config: Path) -> None:
    result = run("event", "timeline", "1213243", "-o", "/nowhere/x.svg", "-c", alarm_config)

    assert result.exit_code == 1
    assert result.stderr == "linkage: /nowhere/x.svg: No such file or directory\n"


@pytest.mark.parametrize("width", [50, 59, 60, 61, 80, 100])
def test_nothing_of_an_event_is_cut_off(
    run: Run, alarm_config: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for event_id in ("1213243", "1213244"):
        shown = run("event", "show", event_id, "-c", alarm_config).stdout
        assert "…" not in shown
        assert max(map(cells, shown.splitlines())) <= width


def test_a_binding_is_told_once(run: Run, alarm_config: Path) -> None:
    shown = run("event", "show", "1213243", "-c", alarm_config).stdout
    history = json.loads(run("event", "show", "1213243", "--json", "-c", alarm_config).stdout)
    assert any(len(operation["bindings"]) > 1 for operation in history["operations"])
    assert shown.count("bound: ") == len(history["operations"])
    assert "was bound to 1213243" not in shown
