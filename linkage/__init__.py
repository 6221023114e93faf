"""Middleware that links calls, conferences and messages to the business events they belong to.

```python
import linkage

async with linkage.Server(linkage.load_config(Path("linkage.toml"))) as server:
    ...
```

`Server` embeds the whole middleware in a process; `Application`, `Platform` and the screens are
the client library for its peers, `linkage.blocking` has them without asyncio, for scripts;
`open_store` reads what linkage has stored. All are imported on first use: `import linkage` alone
costs a few milliseconds.
"""

# ruff: noqa: PTH118, PTH120 - pathlib would double the cost of importing this

from __future__ import annotations

import os.path
import sys
from importlib import import_module
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # type checkers know the name; `typing` is imported for them alone
if TYPE_CHECKING:
    from typing import Any, Final

    from linkage import blocking
    from linkage.client import (
        Application,
        BusinessScreen,
        CommunicationScreen,
        Monitor,
        Platform,
    )
    from linkage.config.file import Config
    from linkage.config.load import load_config
    from linkage.config.problems import ConfigError
    from linkage.config.secrets import Secret
    from linkage.reader import Store, open_store
    from linkage.server.server import Server

__version__ = "0.1.0"

_LAZY: Final = {
    "Application": "linkage.client",
    "BusinessScreen": "linkage.client",
    "CommunicationScreen": "linkage.client",
    "Config": "linkage.config.file",
    "ConfigError": "linkage.config.problems",
    "Monitor": "linkage.client",
    "Platform": "linkage.client",
    "Secret": "linkage.config.secrets",
    "Server": "linkage.server.server",
    "Store": "linkage.reader",
    "load_config": "linkage.config.load",
    "open_store": "linkage.reader",
}
_OURS: Final = ("protocol", "gateway", "adapters", "simulators")

__all__ = [
    "Application",
    "BusinessScreen",
    "CommunicationScreen",
    "Config",
    "ConfigError",
    "Monitor",
    "Platform",
    "Secret",
    "Server",
    "Store",
    "__version__",
    "blocking",
    "load_config",
    "open_store",
]


def __getattr__(name: str) -> Any:
    """Import what is named on first use (PEP 562)."""
    if name == "blocking":
        return import_module("linkage.blocking")
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'linkage' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _check_packages() -> None:
    """Refuse to run beside somebody else's `protocol`, which Python would import instead of ours.

    Our other packages have plain names, and a script's own folder comes before site-packages.
    """
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for name in _OURS:
        ours, found = os.path.join(root, name), _places(name)
        if found and ours not in found:
            raise ImportError(
                f"linkage needs its own package {name!r} ({ours}), but Python finds "
                f"{found[0]} first: rename that file or folder, or run from another directory"
            )


def _places(name: str) -> list[str]:
    """Where Python would import a package from: its folders, or the file of a plain module."""
    module = sys.modules.get(name)
    spec = PathFinder.find_spec(name) if module is None else module.__spec__
    if spec is None:
        written = getattr(module, "__file__", None)
        return [os.path.realpath(written)] if written else []
    if spec.submodule_search_locations:
        return [os.path.realpath(place) for place in spec.submodule_search_locations]
    return [os.path.realpath(spec.origin)] if spec.origin else []


_check_packages()
