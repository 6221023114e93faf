"""The table of messages holds what the specification lists; numbers are written by hand."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import pytest

import protocol.messages as catalogue
from protocol.kinds import Direction, direction_of
from protocol.message import Message, Part, find_registered, registered
from protocol.messages import every_class, message_class
from protocol.messages.mirror_names import NAMES
from protocol.plans import plan_of

NOTICES = {
    *(100, 101, 102, 103, 104, 105, 106, 107, 108, 109),
    *(110, 111, 112, 113, 114, 115, 116, 117, 118, 119),
    *(120, 121, 122, 123, 124),
    *(130, 131, 132),
    *(140, 141, 142),
    *(150, 151, 152, 153),
    *(160, 161, 162),
    *(170, 171, 172, 173),
    *(180, 181, 182, 183, 184),
    *(190, 191, 192, 193, 194, 195, 196, 197, 198, 199),
}
COMMANDS = {
    *(200, 201, 202, 203, 204, 205, 206, 207, 208, 209),
    *(210, 211, 212, 213, 214, 215, 216, 217, 218, 219),
    *(220, 221, 222, 223, 224),
    *(230, 231, 232),
    *(240, 241, 242),
    *(250, 251, 252, 253, 254, 255, 256, 257, 258, 259),
    *(260, 261, 262, 263, 264, 265),
    *(270, 271, 272, 273, 274, 275),
    *(280, 281, 282, 283, 284, 285, 286, 287),
    *(290, 291, 292, 293, 294, 295, 296, 297, 298, 299),
}
SCREENS_OWN = {390, 490, 499, 590, 690, 699}
LISTED_SCREENS = {
    *(300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 320, 330, 340, 350, 351, 360),
    *range(311, 320),
    *(370, 372, 373, 380, 390, 391, 393, 395, 397, 399),
    *(400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 420, 430, 440),
    *range(411, 420),
    *(450, 451, 452, 453, 454, 460, 470, 473, 480, 490, 491, 493, 494, 499),
    *(500, 501, 502, 503, 504, 505, 507, 508, 510, 513, 515, 516, 520, 522, 530, 531, 540, 541),
    *(550, 551, 553, 560, 562, 570, 572, 580, 582, 583, 584, 590, 591, 593, 595, 597, 599),
    *(600, 601, 602, 603, 604, 605, 606, 607, 608, 609, 610, 613, 616, 620, 630, 640),
    *(650, 651, 652, 653, 654, 660, 661, 662, 670, 673, 690, 691, 693, 694, 699),
    *range(680, 688),
}
TABLE_NAMES = {
    100: ("IncomingCallNotice", "呼入通知"),
    102: ("HangupNotice", "挂断通知"),
    110: ("CallOutResultNotice", "呼出结果通知"),
    123: ("ImMmsReceivedNotice", "彩信/即时消息接收通知"),
    190: ("PlatformRegister", "通信平台注册认证"),
    198: ("VendorNotice", "厂商透传通知"),
    201: ("CreateEvent", "创建事件"),
    210: ("CallOut", "呼出/召集通知"),
    221: ("CancelSms", "撤销短信"),
    257: ("VideoToConference", "入会"),
    287: ("RunPlan", "执行预案"),
    299: ("AppLeave", "注销"),
    300: ("ScreenIncoming", "来电显示"),
    490: ("ScreenLogin", "登录"),
    500: ("BizIncoming", "来电弹屏"),
    601: ("BizCreateEvent", "建立事件"),
}


def cls_of(number: int) -> type[Message]:
    found = message_class(number)
    assert found is not None
    return found


def test_every_row_has_its_class_and_no_other_number_has_one() -> None:
    assert {cls.number for cls in registered()} == NOTICES | COMMANDS | SCREENS_OWN


def test_a_number_belongs_to_one_class_in_ascending_order() -> None:
    numbers = [cls.number for cls in every_class()]
    assert numbers == sorted(set(numbers))


def test_the_listed_screen_messages_all_exist() -> None:
    assert {cls.number for cls in every_class()} >= LISTED_SCREENS
    assert set(NAMES) <= LISTED_SCREENS | {481}


@pytest.mark.parametrize("number", sorted(TABLE_NAMES))
def test_names_are_those_of_the_tables(number: int) -> None:
    cls = cls_of(number)
    assert (cls.english, cls.chinese) == TABLE_NAMES[number]
    assert cls.__name__ == cls.english


def test_the_first_digit_is_the_direction() -> None:
    for cls in every_class():
        assert direction_of(cls.number) is Direction(int(str(cls.number)[0]))


def test_a_name_is_unique_among_the_messages_of_one_direction() -> None:
    names = [(cls.number // 100, cls.english) for cls in every_class()]
    assert len(names) == len(set(names))


def test_a_mirror_has_the_fields_of_its_source_and_the_screens_own() -> None:
    for cls in every_class():
        digit, row = divmod(cls.number, 100)
        if digit in {1, 2} or cls.number in SCREENS_OWN:
            continue
        source = cls_of((1 if digit in {3, 5} else 2) * 100 + row)
        expected = {plan.element for plan in plan_of(source)} | {"ScreenId"}
        if digit in {3, 5}:
            expected |= {"Display"}
        assert {plan.element for plan in plan_of(cls)} == expected
        assert cls.needs_one_of == source.needs_one_of
        assert f"Mirrors {source.number}" in (cls.__doc__ or "")


def test_a_screen_may_open_an_event_before_it_has_a_number() -> None:
    assert cls_of(601)().event_id is None


def test_an_element_name_stands_once_in_a_message() -> None:
    for cls in every_class():
        names = [plan.element for plan in plan_of(cls) if not plan.is_attribute]
        assert len(names) == len(set(names)), cls


def test_element_names_have_capitals_and_no_underscores() -> None:
    for cls in every_class():
        for plan in plan_of(cls):
            assert plan.element[0].isupper()
            assert plan.element.isalnum()


def test_the_patents_seven_have_their_elements_in_the_patents_order() -> None:
    seen = {
        number: [plan.element for plan in plan_of(cls_of(number)) if plan.patent]
        for number in (100, 201, 105, 102, 103, 110, 210)
    }
    assert seen == {
        100: ["CallId", "ConferenceID", "LoginId", "Type", "PhoneNum", "ToNum"],
        201: ["CallId", "ConferenceID", "LoginId", "Type", "EventId"],
        105: [
            *("CallId", "ConferenceID", "FromLoginId", "PhoneNum", "ToLoginId", "FromExt"),
            "EventId",
        ],
        102: ["CallId", "ConferenceID", "LoginId", "PhoneNum", "EventId", "Content"],
        103: ["CallId", "ConferenceID", "LoginId", "EventId"],
        110: ["EventId", "CallId", "LoginId", "ConferenceID", "PhoneNum", "Reason"],
        210: ["EventId", "LoginId", "CallId", "ConferenceID", "Type", "Group"],
    }


def test_nothing_else_is_claimed_to_be_the_patents() -> None:
    theirs = {cls.number for cls in registered() if any(plan.patent for plan in plan_of(cls))}
    assert theirs == {100, 102, 103, 105, 110, 201, 210}


def test_numbers_outside_the_catalogue_have_no_class() -> None:
    for number in (0, 99, 125, 199 + 600, 700, 999, 354, 425):
        assert message_class(number) is None
        assert find_registered(number) is None


def test_the_package_gives_every_class_and_choice_of_its_blocks() -> None:
    given = [getattr(catalogue, name) for name in catalogue.__all__]
    assert len(catalogue.__all__) == len(set(catalogue.__all__))
    assert {cls for cls in given if isinstance(cls, type) and issubclass(cls, Message)} == {
        Message,
        *registered(),
    }


def test_every_choice_and_part_that_a_message_uses_is_given_by_the_package() -> None:
    given = {getattr(catalogue, name) for name in catalogue.__all__}
    for cls in every_class():
        assert _kinds(cls) <= given


def _kinds(cls: type[Part]) -> set[type[object]]:
    kinds: set[type[object]] = set()
    for plan in plan_of(cls):
        if plan.part is not None:
            kinds |= {plan.part} | _kinds(plan.part)
        elif plan.value is not None and plan.value.options is not None:
            assert issubclass(plan.value.options, IntEnum | StrEnum)
            kinds.add(plan.value.options)
    return kinds


def test_numbered_choices_count_from_one_without_gaps() -> None:
    for cls in every_class():
        for kind in _kinds(cls):
            if issubclass(kind, IntEnum):
                assert [int(member) for member in kind] == list(range(1, len(kind) + 1)), kind
