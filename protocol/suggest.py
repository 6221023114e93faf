"""What somebody meant who wrote a name that nobody knows: for errors about names.

A keyword that is silently taken and ignored costs an hour; one that is refused with the name that
it was to be costs a moment.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

LISTED_MAX: Final = 30
"""Names that are listed where none is near; more help nobody."""
_NEAR: Final = 0.7

P = ParamSpec("P")
R = TypeVar("R")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is meant, where one is near enough; None: none is.

    Capitals and underscores do not count: `CallId`, `callid` and `call_id` are one name.
    """
    import difflib  # only where something is wrong

    plain = {_plain(one): one for one in sorted(known, reverse=True)}
    found = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=_NEAR)
    return plain[found[0]] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean 'call_id'?`, or what there is, where nothing is near."""
    names = sorted(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near!r}?"
    more = ", …" if len(names) > LISTED_MAX else ""
    return f"there are {', '.join(names[:LISTED_MAX]) or 'none'}{more}"


def refuse_unknown(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise for the keywords of a call that nobody knows.

    Raises:
        TypeError: names each of them, and what was meant.
    """
    names = list(known)
    unknown = [name for name in given if name not in names]
    if unknown:
        said = "; ".join(f"{name!r}: {suggestion(name, names)}" for name in unknown)
        raise TypeError(f"{what} got an unexpected keyword argument {said}") from None


def suggesting(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: a call by a keyword that the function does not have names the one it has.

    Not for a function that takes any (`**options`): that one calls `refuse_unknown` itself.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            what = function.__qualname__.removesuffix(".__init__")
            refuse_unknown(f"{what}()", kwargs, _keywords_of(function))
            raise

    return call


def _keywords_of(function: Callable[..., Any]) -> list[str]:
    return [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.kind in {each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD}
    ]


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
