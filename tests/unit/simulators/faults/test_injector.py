"""What the injector does to frames, one at a time and by lot."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocol.frames import encode_frame, heartbeat
from simulators.faults import (
    Chances,
    Cutter,
    Direction,
    Fault,
    FaultPlan,
    Injector,
    Planned,
)
from simulators.faults.injector import Action, Cut, HalfOpen, Send, Stall
from tests.fakes.fault_frames import MANY


def frames(number: int) -> list[bytes]:
    return [encode_frame(1, f"message {index}".encode()) for index in range(number)]


def injector(*script: Planned, chances: Chances | None = None, **options: float) -> Injector:
    plan = FaultPlan(up=chances or Chances(), script=script, seed=7, **options)  # type: ignore[arg-type]  # figures
    return Injector(plan, 1, Direction.UP)


def sent(actions: list[Action]) -> list[bytes]:
    return [action.data for action in actions if isinstance(action, Send)]


def played(through: Injector, sequence: list[bytes]) -> list[bytes]:
    """What comes out of frames that go in, to the end."""
    out = [data for frame in sequence for data in sent(through.take(frame))]
    return out + sent(through.release())


def test_without_a_plan_everything_passes_unchanged() -> None:
    assert played(injector(), frames(MANY)) == frames(MANY)


def test_a_duplicate_comes_twice() -> None:
    first, second = frames(2)
    through = injector(Planned(fault=Fault.DUPLICATE, frame=1))
    assert played(through, [first, second]) == [first, first, second]


def test_a_reordered_frame_comes_after_the_next() -> None:
    first, second, third = frames(3)
    through = injector(Planned(fault=Fault.REORDER, frame=1))
    assert played(through, [first, second, third]) == [second, first, third]


def test_a_frame_that_nothing_overtakes_comes_all_the_same() -> None:
    through = injector(Planned(fault=Fault.REORDER, frame=1))
    assert played(through, frames(1)) == frames(1)


def test_a_garbled_frame_keeps_its_length_and_loses_some_bits() -> None:
    (frame,) = frames(1)
    (garbled,) = played(injector(Planned(fault=Fault.GARBLE, frame=1)), [frame])
    assert garbled[:4] == frame[:4]
    wrong = sum((a ^ b).bit_count() for a, b in zip(garbled, frame, strict=True))
    assert 1 <= wrong <= 3


def test_a_garbled_heartbeat_has_another_flag() -> None:
    (garbled,) = played(injector(Planned(fault=Fault.GARBLE, frame=1)), [heartbeat()])
    assert len(garbled) == 4
    assert garbled[0] != heartbeat()[0]
    assert garbled[1:] == heartbeat()[1:]


def test_a_cut_ends_the_stream_at_most_in_the_middle_of_the_frame() -> None:
    first, second = frames(2)
    through = injector(Planned(fault=Fault.CUT, frame=2))
    assert sent(through.take(first)) == [first]
    actions = through.take(second)
    assert isinstance(actions[-1], Cut)
    assert sent(actions) in ([], [second[: len(second) // 2]])


def test_half_open_sends_nothing_of_the_frame() -> None:
    actions = injector(Planned(fault=Fault.HALF_OPEN, frame=1)).take(frames(1)[0])
    assert isinstance(actions[-1], HalfOpen)
    assert sent(actions) == []


def test_a_stall_comes_before_the_frame_and_lasts_as_long_as_it_says() -> None:
    through = injector(Planned(fault=Fault.STALL, frame=1, seconds=9), stall_s=2)
    actions = [action for action in through.take(frames(1)[0]) if isinstance(action, Stall | Send)]
    assert actions == [Stall(9), Send(frames(1)[0])]


def test_delay_and_jitter_make_frames_late() -> None:
    through = injector(delay_s=2.0, jitter_s=1.0)
    late = [
        action.delay_s
        for frame in frames(MANY)
        for action in through.take(frame)
        if isinstance(action, Send)
    ]
    assert min(late) >= 2.0
    assert max(late) <= 3.0
    assert max(late) - min(late) > 0.5


def test_a_script_may_mean_one_connection_and_one_direction_only() -> None:
    only = Planned(fault=Fault.CUT, frame=1, connection=2, direction=Direction.DOWN)
    plan = FaultPlan(script=(only,))
    (frame,) = frames(1)
    for connection, direction in ((1, Direction.DOWN), (2, Direction.UP)):
        assert sent(Injector(plan, connection, direction).take(frame)) == [frame]
    assert isinstance(Injector(plan, 2, Direction.DOWN).take(frame)[-1], Cut)


def test_chances_are_what_they_say() -> None:
    through = injector(chances=Chances(duplicate=0.25))
    out = played(through, frames(4000))
    assert 900 < len(out) - 4000 < 1100


def test_the_same_seed_gives_the_same_faults_and_another_does_not() -> None:
    chances = Chances(duplicate=0.2, reorder=0.2, garble=0.2)

    def run(seed: int, connection: int = 1) -> list[bytes]:
        plan = FaultPlan(seed=seed, up=chances)
        return played(Injector(plan, connection, Direction.UP), frames(MANY))

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(1) != run(1, connection=2), "connections do not share their fate"


def test_what_a_frame_holds_does_not_change_the_fate_of_the_next() -> None:
    chances = Chances(duplicate=0.3, garble=0.3)
    short, long = frames(MANY), [encode_frame(1, b"x" * 1000)] * MANY
    plan = FaultPlan(seed=3, up=chances)
    of_short = [len(sent(Injector(plan, 1, Direction.UP).take(frame))) for frame in short[:1]]
    fates = []
    for sequence in (short, long):
        through = Injector(plan, 1, Direction.UP)
        fates.append([len(sent(through.take(frame))) for frame in sequence])
    assert fates[0] == fates[1]
    assert fates[0][:1] == of_short


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=20),
    cuts=st.lists(st.integers(0, 5000), max_size=20),
)
def test_frames_are_found_however_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    whole = [encode_frame(1, payload) for payload in payloads]
    stream = b"".join(whole)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    cutter = Cutter()
    found = [frame for start, end in pairwise(places) for frame in cutter.feed(stream[start:end])]
    assert found == whole
    assert cutter.rest == b""


def test_other_dialects_are_cut_as_they_are() -> None:
    little = Cutter("little", own=4)
    frame = bytes((1, 0, 9, 0)) + b"hello"
    assert list(little.feed(frame + frame[:3])) == [frame]
    assert little.rest == frame[:3]
