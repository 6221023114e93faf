"""The page of all settings.

Written from the classes: name, default and type of each setting, and the text below it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel

from adapters.registry import ADAPTERS, load_adapter
from linkage.config.adapters import FILE, secret_names
from linkage.config.core import RetentionSettings, SweepSettings
from linkage.config.field_docstrings import meanings
from linkage.config.file import AdapterSettings, Config, LimitSettings
from linkage.config.gateway import ListenerSettings, TimerSettings, TlsFiles
from linkage.config.peers import PeerSettings
from linkage.config.problems import hints_of, names_of, types_of
from linkage.config.processes import (
    LogSettings,
    MessagingSettings,
    TraceSettings,
    WatchSettings,
)
from protocol.dialect import DialectSettings

HEAD: Final = """\
# Configuration

One TOML file, by default `$LINKAGE_CONFIG`, else `./linkage.toml`; `linkage init DIR` writes one that is
ready to serve. It is checked as a whole: what is wrong with its settings, those of adapters too, is told at once,
each with its key and what to do; once these are right, what contradicts another setting, or would have no effect,
such as a certificate without a listener that speaks TLS.
Relative paths are relative to the file. It holds secrets: keep it readable by its user only.

`kill -HUP` has a serving linkage, or a part of it (`serve --only`), read it again. Adapters with new settings are started
again, but for new credentials of Asterisk: those count from the next request on, and no call notices. Adapters that their
platform refuses are started again at once (an alarm 197 says which; they try by themselves, too). Who may
come in is taken up: `allow`, and of peers `secret`, `secret_file`, `allow`, `require_tls`, `require_certificate`; a peer
that is gone is [shut out](../how-to/tls.md#shutting-a-peer-out). Everything else takes effect with the next start,
and the log says so; a file with a mistake changes nothing.

```toml
id = "linkage"
data = "data"
listen = ["0.0.0.0:7700"]

[[peer]]
id = "desk"
role = "application"
secret = "…"
numbers = ["110*", "2222"]

[[peer]]
id = "pbx"
role = "platform"
secret = "…"

[[adapter]]
id = "asterisk1"
kind = "asterisk"

[adapter.settings]
url = "http://10.0.0.5:8088"
user = "linkage"
password = "…"
```

This page is written by `make generate` from the classes that hold the settings.
"""  # noqa: E501 - a paragraph of a page
TAIL: Final = """\
## Environment

| variable | meaning |
|---|---|
| `LINKAGE_CONFIG` | the configuration, where `-c` does not say |
| `LINKAGE_SECRET` | of `linkage simulate`: the peer's secret, where `--secret` does not say |
"""
SECTIONS: Final[dict[str, type[Any]]] = {
    "## The file": Config,
    "## `[[peer]]`": PeerSettings,
    "### `[peer.dialect]`": DialectSettings,
    "## `[timers]`": TimerSettings,
    "## `[limits]`": LimitSettings,
    "## `[retention]`": RetentionSettings,
    "## `[sweep]`": SweepSettings,
    "## `[watch]`": WatchSettings,
    "## `[messaging]`": MessagingSettings,
    "## `[trace]`": TraceSettings,
    "## `[[listener]]`": ListenerSettings,
    "## `[tls]`": TlsFiles,
    "## `[log]`": LogSettings,
    "## `[[adapter]]`": AdapterSettings,
}
INTRODUCED: Final[dict[type[Any], str]] = {
    DialectSettings: """\
It holds from the peer's registration on, wherever it comes from. The registration itself comes in the default dialect, in
the encoding of this one too, and is answered as it came; everything after the answer is spoken in the dialect, both ways. A
peer whose frames differ (flags, byte order, length) from its first byte on needs an `address`: then the dialect holds
for every connection from there.""",  # noqa: E501 - a paragraph of a page
    SweepSettings: """\
A call whose hang-up was lost stays open for ever. Where nothing was heard of an open call, leg, conference, member or
recording for long, linkage asks its platform (215, or 293 where it serves only that; an adapter by `Snapshots`).
What the platform does not know any more is closed with reason 141, and its owner told; where there is no answer nothing
is closed, the platform is asked later and later, and one alarm (197) says so.""",  # noqa: E501 - the same
    AdapterSettings: """\
Its settings are those that the adapter declares: checked with the file, and told by `linkage doctor` with what the platform
says. A secret among them may stand in a file of its own.""",  # noqa: E501 - the same
}
"""Where more is to be said of a section than its class does."""
SEE: Final[dict[type[Any], str]] = {
    LimitSettings: "[What to do under overload and with a full disk](../how-to/overload.md).",
    RetentionSettings: "[What is kept, and for how long](../how-to/retention.md).",
    WatchSettings: "[How to observe](../how-to/observe.md), [all metrics](metrics.md).",
    MessagingSettings: "[How to run in several processes](../how-to/split.md).",
    TraceSettings: "[How to observe](../how-to/observe.md#traces).",
    TlsFiles: "[How to use TLS](../how-to/tls.md).",
}


def reference_text() -> str:
    """The whole page."""
    lines = [HEAD]
    for heading, model in SECTIONS.items():
        lines += [f"{heading}\n", f"{INTRODUCED.get(model) or introduction(model)}\n"]
        lines += [*_table(model), ""]
        if model in SEE:
            lines.append(f"{SEE[model]}\n")
    for kind in sorted(ADAPTERS):
        lines += _adapter(kind)
    return re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, TAIL]))


def introduction(model: type[Any]) -> str:
    """What the class says of the whole section."""
    written = model.__dict__.get("__doc__") or ""
    paragraphs = inspect.cleandoc(written).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _adapter(kind: str) -> Iterator[str]:
    model = load_adapter(kind).settings_class
    yield f'### `kind = "{kind}"`\n'
    yield f"Needs `pip install 'linkage[{kind}]'`; [more](./{kind}.md). {introduction(model)}\n"
    yield from _table(model, of_adapter=True)
    yield ""
    for name, section in types_of(model).items():
        if section is not None:
            yield f"#### `{name}.NUMBER`\n"
            yield f"{introduction(section)}\n"
            yield from _table(section)
            yield ""


def _table(model: type[Any], *, of_adapter: bool = False) -> Iterator[str]:
    """A row for each setting; of an adapter, those of its own platform first."""
    told, sections = meanings(model), types_of(model)
    names = names_of(model)
    if of_adapter:
        names.sort(key=lambda name: name not in vars(model)["__annotations__"])
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for name in names:
        field = _field_name(model, name)
        meaning = told.get(field, "")
        if of_adapter and name in secret_names(model):
            meaning += f"; or `{name}{FILE}`: the file that holds it, as of `secret_file`"
        default = _default(model, field)
        if default == "`[]`" and sections[name] is not None:
            default = "none"
        yield f"| {_key(model, name, sections[name])} | {default} | {meaning} |"


def _field_name(model: type[Any], written: str) -> str:
    """The attribute that holds what is written under another name."""
    if issubclass(model, BaseModel):
        return next(
            name for name, field in model.model_fields.items() if (field.alias or name) == written
        )
    return written


def _key(model: type[Any], name: str, section: Any) -> str:
    if model is AdapterSettings and name == "settings":
        return "`[adapter.settings]`"
    if section is None:
        return f"`{name}`"
    if model is Config:
        array = get_origin(hints_of(model)[name]) is tuple
        return f"`[[{name}]]`" if array else f"`[{name}]`"
    if model is PeerSettings:
        return f"`[peer.{name}]`"
    return f"`[adapter.settings.{name}.NUMBER]`"


def _default(model: type[Any], name: str) -> str:
    """As it would be written in the file."""
    if issubclass(model, BaseModel):
        field = model.model_fields[name]
        return "required" if field.is_required() else _written(field.get_default())
    (declared,) = (each for each in dataclasses.fields(model) if each.name == name)
    if declared.default is not dataclasses.MISSING:
        return _written(declared.default)
    return "required" if declared.default_factory is dataclasses.MISSING else "none"


def _written(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            text = str(value).lower()
        case int() | float():
            text = f"{value:.10g}"
        case str() | Path():
            text = f'"{value}"'
        case (str(host), int(port)):
            text = f'"{host}:{port}"'
        case () | (str() | int() | tuple(), *_):
            text = f"[{', '.join(_written(each).strip('`') for each in value)}]"
        case _:
            return ""  # a section
    return f"`{text}`"
