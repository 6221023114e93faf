from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from linkage.cli.running import HarmlessFormatter, set_up_logging
from linkage.masking import MaskingFormatter, mask_numbers


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call from 13912344444", "call from *********44"),
        ("13912344444 → 2222", "*********44 → 2222"),
        ("+8613912344444", "+***********44"),
        ("+86 139-1234-4444 calls", "+** ***-****-**44 calls"),
        ("<PhoneNum>13912344444</PhoneNum>", "<PhoneNum>*********44</PhoneNum>"),
        ("sip:13912344444@10.0.0.1:5060", "sip:*********44@10.0.0.1:5060"),
        ("PJSIP/12345", "PJSIP/***45"),
        ("hotline 12345, 110", "hotline ***45, 110"),
        ("'010-12345678'", "'010-******78'"),
        ("trunk_13912344444", "trunk_*********44"),
    ],
)
def test_phone_numbers_show_their_last_two_digits(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "pbx at 127.0.0.1:40566: is here",
        "[::1]:40566",
        "2026-11-22T08:00:00.123456+00:00",
        "took 0.123456 s",
        "channel 1719837465.123",
        "session a1b2c3d4123456789",
        "Result 206, 201 40 requests",
        "",
    ],
)
def test_addresses_times_and_ids_stay(text: str) -> None:
    assert mask_numbers(text) == text


def logged(formatter: logging.Formatter) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logger = logging.getLogger("tests.masking")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        try:
            raise ValueError("no route to 13912344444")  # noqa: TRY301 - to be logged
        except ValueError:
            logger.exception("%s called", "13800001111")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    return out.getvalue()


def test_messages_and_tracebacks_are_masked() -> None:
    text = logged(MaskingFormatter(HarmlessFormatter("%(message)s")))
    assert "*********11 called" in text
    assert "no route to *********44" in text
    assert "Traceback" in text
    assert "13912344444" not in text.replace("raise ValueError", "")
    assert "13800001111" not in text


@pytest.mark.parametrize(("mask", "as_json"), [(True, True), (True, False), (False, True)])
def test_the_log_masks_where_it_is_told_to(
    capsys: pytest.CaptureFixture[str], mask: bool, as_json: bool
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        set_up_logging(level="info", as_json=as_json, mask_numbers=mask)
        for handler in root.handlers:
            assert isinstance(handler, logging.StreamHandler)
            handler.setStream(sys.stderr)
        logging.getLogger("linkage.x").info("call of %s", "13912344444", extra={"to": "12345"})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    line = capsys.readouterr().err
    assert ("13912344444" in line) is not mask
    assert ("*********44" in line) is mask
    if as_json:
        assert json.loads(line)["timestamp"].startswith("20")
