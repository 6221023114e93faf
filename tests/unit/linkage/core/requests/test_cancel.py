"""216: a call-out is cancelled by the Id its sender gave it; the platform knows it by ours."""

from __future__ import annotations

from protocol import messages as m
from tests.fakes.core_bench import Bench
from tests.fakes.said import call_out, create, incoming


def test_a_call_out_is_cancelled_by_its_sender_s_own_id(bench: Bench) -> None:
    bench.say("pbx2", incoming())
    bench.say("desk", create())
    bench.say("desk", call_out(), id_="mine")
    (sent,) = [item for item in bench.heard("pbx2") if item.type == 210]

    response = bench.say("desk", m.CancelCallOut(request_id="mine"))

    assert response.result == 1
    (cancel,) = bench.heard("pbx2")
    assert cancel.message.request_id == sent.request.id
    assert bench.types("pbx") == []


def test_a_call_out_and_its_cancellation_may_come_in_one_batch(bench: Bench) -> None:
    cancel = bench.submit("desk", m.CancelCallOut(request_id="mine"))
    done = bench.do(bench.submit("desk", call_out(), "mine"), cancel)

    assert [item.result().response.result for item in done] == [1, 1]


def test_a_cancellation_read_from_disk_names_the_same_call_out(bench: Bench) -> None:
    from linkage.core.delivery.queues import LoadQueue

    bench.say("desk", call_out(), id_="mine")
    (sent,) = bench.heard("pbx")
    bench.say("desk", m.CancelCallOut(request_id="mine"))
    (cancel,) = bench.heard("pbx")

    bench.restart()
    loaded = bench.do(LoadQueue("pbx", 0, 10))[0].result().deliveries

    assert [item.request.message for item in loaded] == [sent.message, cancel.message]


def test_what_is_no_call_out_of_the_sender_cannot_be_cancelled(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create(), id_="created")
    bench.say("other", call_out("E9"), id_="theirs")

    for reference in ("created", "theirs", "4711"):
        assert bench.say("desk", m.CancelCallOut(request_id=reference)).result == 306
