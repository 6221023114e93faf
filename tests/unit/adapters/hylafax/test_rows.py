"""The queues' rows: what another machine calls itself moves no field."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.hylafax.rows import SEPARATOR, JobRow, ReceivedRow, job_rows, received_rows


def row(*fields: str) -> str:
    return SEPARATOR.join(fields) + "\r\n"


def test_a_job_is_read() -> None:
    written = row("3", "S", " 1:3 ", " 2:4 ", " 1:4 ", "fax:7.0", "Busy signal detected")
    (job,) = job_rows(written)
    assert job == JobRow(
        id=3, state="S", pages_sent=1, pages=3, dials=2, tries=1, tag="fax:7.0",
        status="Busy signal detected",
    )  # fmt: skip
    assert not job.is_over


def test_a_fax_that_came_in_is_read_and_its_number_found_wherever_it_stands() -> None:
    one = ("fax1.tif", "3614", "3", "1796107587", " ", "A|B; 1", "Citizen", "13900000001")
    other = ("fax2.tif", "10", "1", "1796107588", "*", "", "+8613900000001", "")
    assert list(received_rows(row(*one) + row(*other))) == [
        ReceivedRow(
            "fax1.tif",
            3614,
            3,
            1796107587,
            is_coming=False,
            station="A|B; 1",
            caller="13900000001",
        ),
        ReceivedRow(
            "fax2.tif", 10, 1, 1796107588, is_coming=True, station="", caller="+8613900000001"
        ),
    ]


def test_what_is_no_row_costs_only_itself() -> None:
    fine = row("fax1.tif", "1", "1", "1796107587", " ", "", "", "")
    for damage in (
        row("fax1.tif"), row(*"12345678"[:7]), "\r\n", "total 3\r\n",
        row("x", "-1", "1", "1", " ", "", "", ""), row("x", "1", "1", "9" * 30, " ", "", "", ""),
        row("x", "1", "one", "1", " ", "", "", ""),
    ):  # fmt: skip
        assert [each.file for each in received_rows(damage + fine)] == ["fax1.tif"]


@given(written=st.text(alphabet=st.sampled_from([SEPARATOR, "\n", "1", ":", "-", "x", " "])))
def test_nothing_but_rows_comes_of_any_text(written: str) -> None:
    for job in job_rows(written):
        assert job.pages_sent >= 0
    for fax in received_rows(written):
        assert fax.time >= 0
