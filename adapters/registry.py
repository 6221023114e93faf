"""Which adapters there are.

A table of strings, imported on use: a missing vendor library breaks only its own adapter.

Adapters of others come by the entry point group `linkage.adapters` (name = kind, value =
`module:Class`). A kind of ours cannot be taken over by an entry point: what an installed package
does must not depend on what else is installed.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from linkage.ports import Adapter, AdapterError

ADAPTERS: Final[dict[str, str]] = {
    "asterisk": "adapters.asterisk:AsteriskAdapter",
    "hylafax": "adapters.hylafax:HylafaxAdapter",
    "mail": "adapters.mail:MailAdapter",
    "smpp": "adapters.smpp:SmppAdapter",
}
"""Kind (`[[adapter]] kind = …`) → `module:Class`. The pip extra has the same name as the kind."""

GROUP: Final = "linkage.adapters"


class AdapterLoadError(AdapterError):
    """An adapter cannot be used here; the text says what to do about it."""


def adapter_kinds() -> list[str]:
    """Every kind that can be named in a configuration, whether its library is installed or not."""
    return sorted({*ADAPTERS, *(point.name for point in entry_points(group=GROUP))})


def load_adapter(kind: str) -> type[Adapter]:
    """The class of an adapter.

    Raises:
        AdapterLoadError: no such kind, its library is missing, it cannot be imported, or what
            stands there is no adapter.
    """
    point = _find(kind)
    if point is None:
        known = ", ".join(adapter_kinds())
        raise AdapterLoadError(f"there is no adapter {kind!r}; there are: {known}")
    module_name, _, attribute = point.value.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise AdapterLoadError(_missing(kind, error)) from error
    except Exception as error:  # it is others' code, and must not cost the rest of the start
        raise AdapterLoadError(
            f"adapter {kind!r}: {module_name} cannot be imported: {error!r}: mend or update the "
            "package that brings it"
        ) from error
    found = getattr(module, attribute, None)
    if found is None:
        raise AdapterLoadError(f"adapter {kind!r}: {module_name} has no {attribute!r}")
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise AdapterLoadError(
            f"adapter {kind!r}: {point.value} is no subclass of linkage.ports.Adapter"
        )
    return found


def _find(kind: str) -> EntryPoint | None:
    if kind in ADAPTERS:
        return EntryPoint(kind, ADAPTERS[kind], GROUP)
    return next(iter(entry_points(group=GROUP, name=kind)), None)


def _missing(kind: str, error: ModuleNotFoundError) -> str:
    library = error.name or "a library"
    remedy = (
        f"pip install 'linkage[{kind}]'"
        if kind in ADAPTERS
        else "install the package that brings it, with its extras"
    )
    return f"adapter {kind!r} needs {library}, which is not installed: {remedy}"
