"""The last line before the log: what is known to be a secret does not get through.

Nothing of linkage's logs a secret. A vendor's library may, in an error's text or a URL; so every
text of a line is searched for the secrets of the configuration and for passwords in URLs.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from linkage.config.file import Config
from linkage.config.keyring import KeyringError
from linkage.config.secrets import secrets_in
from linkage.logs.values import changed_texts

HIDDEN: Final = "[secret]"
SHORTEST: Final = 6
"""Characters; a shorter password would hide every other word that it is part of."""
REFRESH_AFTER_S: Final = 30.0
"""Secrets are rotated while linkage serves."""
CONFIGS_MAX: Final = 8
"""Configurations read again whose secrets are still hidden."""
_IN_URL: Final = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")
_SENSITIVE: Final = re.compile(r"pass|secret|token|credential|api_?key", re.IGNORECASE)


class Redactor:
    """A processor of structlog.

    The secrets lie in files: they are read before the first line, and after that in a thread, for
    who writes a line may be the event loop. A lock is not needed: what is replaced is one name.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets
        self._pattern: re.Pattern[str] | None = None
        self._read_at: float | None = None
        self._reading: threading.Thread | None = None

    def __call__(
        self, _logger: Any, _name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Hide secrets in every text of an event."""
        record = event.get("_record")
        self._refresh(0.0 if record is None else record.created)
        for name, value in event.items():
            if name != "_record":
                event[name] = changed_texts(value, self._hide)
        return event

    def _refresh(self, now: float) -> None:
        if self._read_at is None:
            self._read_at = now
            self._read()
        # Either way: a clock that is set back must not keep a new secret unknown.
        elif abs(now - self._read_at) >= REFRESH_AFTER_S and not self._is_reading:
            self._read_at = now
            self._reading = threading.Thread(
                target=self._read, name="linkage-secrets", daemon=True
            )
            self._reading.start()

    @property
    def _is_reading(self) -> bool:
        return self._reading is not None and self._reading.is_alive()

    def _read(self) -> None:
        # The longest first: one may be the beginning of another.
        found = sorted({text for text in self._secrets() if len(text) >= SHORTEST}, key=len)
        self._pattern = (
            re.compile("|".join(re.escape(text) for text in reversed(found))) if found else None
        )

    def _hide(self, text: str) -> str:
        if "://" in text:
            text = _IN_URL.sub(rf"\1:{HIDDEN}", text)
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)


class SecretsOf:
    """Those of a configuration, and of those that were read again since."""

    def __init__(self, config: Config) -> None:
        self._configs: tuple[Config, ...] = (config,)

    def add(self, config: Config) -> None:
        """A configuration was read again; what was secret in those before still is."""
        self._configs = (*self._configs, config)[-CONFIGS_MAX:]

    def __call__(self) -> Iterator[str]:
        """All of them, as they stand now."""
        for config in self._configs:
            yield from secrets_of(config)


def secrets_of(config: Config) -> Iterator[str]:
    """The secrets of the peers as they stand now, of the collector, and of adapters."""
    for peer in config.peer:
        try:
            found = peer.keys()
        except KeyringError:
            continue  # told where it matters: when the peer registers
        yield from (key.secret.get_secret_value() for key in found)
    if config.trace is not None:
        yield from (value.get_secret_value() for value in config.trace.headers.values())
    for adapter in config.adapter:
        yield from (value.get_secret_value() for value in secrets_in(adapter.checked))
        yield from _sensitive(adapter.settings)


def _sensitive(settings: Any) -> Iterator[str]:
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            if isinstance(value, str):
                if _SENSITIVE.search(str(name)):
                    yield value
            else:
                yield from _sensitive(value)
    elif isinstance(settings, list):
        for value in settings:
            yield from _sensitive(value)
