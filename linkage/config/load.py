"""Read and check a configuration file, whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from linkage.config.adapters import check_adapters, with_settings
from linkage.config.file import AdapterSettings, Config, check_config, read_document
from linkage.config.problems import ConfigError, check
from protocol.suggest import suggesting


@suggesting
def load_config(path: str | Path) -> Config:
    """Read and check a configuration file, the settings of its adapters included.

    Raises:
        ConfigError: with its problems, each as `FILE: KEY: what is wrong, what to do`. Whether
            sections contradict each other is told once each of them is right.
    """
    return load_for(path, None)


def load_for(path: str | Path, only: str | None) -> Config:
    """The same, the settings of one adapter checked alone; None: of all of them.

    Raises:
        ConfigError: as of `load_config`.
    """
    path = Path(path)
    document = read_document(path)
    try:
        config = check_config(path, document)
    except ConfigError as error:
        raise ConfigError([*error.problems, *_of_adapters(path, document, only)]) from None
    return with_settings(config, only=only)


def _of_adapters(path: Path, document: dict[str, Any], only: str | None) -> list[str]:
    """What is wrong with the settings of those adapters that are right but for these."""
    right = []
    written = document.get("adapter")
    for item in written if isinstance(written, list) else ():
        try:
            right.append(check(AdapterSettings, item, str(path)))
        except ConfigError:
            continue  # it is told with the file
    alone = Config.model_construct(source=path.resolve(), adapter=tuple(right))
    _, problems = check_adapters(alone, only=only)
    return [f"{path}: {line}" for line in problems]
