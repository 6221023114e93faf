"""What a part owes its peers and the core, across the cores that come and go. No sockets."""

from __future__ import annotations

from linkage.bus.local_links import KEPT_MAX, LocalLink, LocalLinks
from linkage.clock import ManualClock
from protocol.envelope import Request, Response
from protocol.messages import Hangup, HangupNotice
from protocol.results import Result


class Peer:
    """A link that remembers what it was sent."""

    address = "10.0.0.1:1"

    def __init__(self, window: int = 4) -> None:
        self.window = window
        self.pushed: list[str] = []

    def push(self, request: Request) -> None:
        self.pushed.append(request.id)

    def close(self, reason: str) -> None:
        raise AssertionError(reason)


def link_to(peer: Peer, clock: ManualClock | None = None) -> LocalLink:
    return LocalLink(1, peer, (clock or ManualClock()).now)


def request(id_: str) -> Request:
    return Request(id=id_, message=HangupNotice(call_id="C1"))


def command(id_: str, expire_s: int) -> Request:
    return Request(id=id_, message=Hangup(call_id="C1"), expire_s=expire_s)


def answer(id_: str) -> Response:
    return Response(request_id=id_, type=102, result=0)


def test_a_push_goes_to_the_peer_and_its_answer_is_forgotten() -> None:
    peer = Peer()
    local = link_to(peer)

    assert local.push(request("a")) is None
    local.answered(answer("a"), live=True)
    assert local.push(request("a")) is None

    assert peer.pushed == ["a", "a"], "the core says what is sent again, while it lives"


def test_what_the_peer_has_is_not_sent_again_for_the_next_core() -> None:
    peer = Peer()
    local = link_to(peer)
    local.push(request("a"))

    local.left()
    assert local.push(request("a")) is None

    assert peer.pushed == ["a"]


def test_an_answer_given_while_no_core_was_there_is_handed_to_the_next_that_asks() -> None:
    peer = Peer()
    local = link_to(peer)
    local.push(request("a"))

    local.left()
    local.answered(answer("a"), live=False)
    assert local.push(request("a")) == answer("a")
    assert local.push(request("b")) is None

    assert peer.pushed == ["a", "b"]


def test_an_answer_that_comes_before_the_next_core_pushes_again_is_kept_for_it() -> None:
    peer = Peer()
    local = link_to(peer)
    local.push(request("a"))

    local.left()
    local.answered(answer("a"), live=True)

    assert local.push(request("a")) == answer("a")
    assert peer.pushed == ["a"]


def test_what_was_answered_once_is_sent_again_where_it_is_asked_for_again() -> None:
    peer = Peer()
    local = link_to(peer)
    local.push(request("a"))
    local.left()
    local.push(request("a"))  # by the next core, which hears the answer
    local.answered(answer("a"), live=True)

    assert local.push(request("a")) is None, "a replay (294)"
    assert peer.pushed == ["a", "a"]


def test_what_an_earlier_core_pushed_counts_in_the_peers_window() -> None:
    peer = Peer(window=2)
    local = link_to(peer)
    for id_ in "ab":
        local.push(request(id_))

    local.left()
    for id_ in "cd":
        local.push(request(id_))
    assert peer.pushed == ["a", "b"]
    local.answered(answer("a"), live=True)
    assert peer.pushed == ["a", "b", "c"]
    local.answered(answer("b"), live=True)

    assert peer.pushed == ["a", "b", "c", "d"]


def test_what_waited_for_the_window_is_dropped_with_the_core_that_pushed_it() -> None:
    peer = Peer(window=1)
    local = link_to(peer)
    for id_ in "ab":
        local.push(request(id_))

    local.left()
    local.answered(answer("a"), live=False)

    assert peer.pushed == ["a"], "the next core begins from disk, in order"


def test_answers_that_no_core_asks_for_are_bounded() -> None:
    local = link_to(Peer(window=1))
    for number in range(3 * KEPT_MAX):
        local.push(request(str(number)))
        local.left()
        local.answered(answer(str(number)), live=False)
    local.left()

    kept = [number for number in range(3 * KEPT_MAX) if local.push(request(str(number)))]
    assert kept == list(range(2 * KEPT_MAX, 3 * KEPT_MAX)), "the newest"


def test_an_answer_to_nothing_asked_changes_nothing() -> None:
    peer = Peer(window=1)
    local = link_to(peer)

    local.answered(answer("a"), live=True)
    for id_ in "bc":
        local.push(request(id_))

    assert peer.pushed == ["b"]


def test_links_are_found_by_object_and_by_number_until_they_are_removed() -> None:
    links, first, second = LocalLinks(ManualClock().now), Peer(), Peer()
    one, two = links.of(first), links.of(second)

    assert links.of(first) is one
    assert links.numbered(two.number) is two
    assert links.remove(first) is one
    assert links.remove(first) is None
    assert (links.find(first), links.numbered(one.number)) == (None, None)
    assert links.of(first).number not in {one.number, two.number}
    assert len(links) == 2


def test_a_command_that_expires_while_the_window_is_full_is_not_sent_and_told_as_expired() -> None:
    clock, peer = ManualClock(), Peer(window=1)
    local = link_to(peer, clock)
    local.push(command("early", 30))
    local.push(command("late", 30))
    local.push(command("patient", 31))
    local.push(request("notice"))

    clock.advance(30)
    before = local.take_expired()
    local.answered(answer("early"), live=True)
    (expired,) = local.take_expired()

    assert peer.pushed == ["early", "patient"]
    assert before == []
    assert (expired.request_id, expired.type, expired.result) == ("late", 202, Result.EXPIRED)
    assert local.take_expired() == [], "told once"


def test_what_expired_while_the_core_went_is_the_next_cores_to_judge() -> None:
    clock, peer = ManualClock(), Peer(window=1)
    local = link_to(peer, clock)
    local.push(command("early", 30))
    local.push(command("late", 30))

    local.left()
    clock.advance(30)
    local.answered(answer("early"), live=False)

    assert peer.pushed == ["early"]
    assert local.take_expired() == []
