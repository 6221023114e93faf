"""`[adapter.settings]`: checked by what the adapter itself declares.

An adapter declares its settings as a dataclass (`Adapter.settings_class`) and is given an instance
of it. What is a `Secret` there may stand in a file of its own: `password_file = "pbx.secret"`
instead of `password`; the file is its user's only (mode 600) and read again with the
configuration. Paths are relative to the file that names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from linkage.config.file import AdapterSettings, Config
from linkage.config.keyring import KeyringError, read_secret
from linkage.config.problems import ConfigError, check, hints_of, placed
from linkage.config.secrets import Secret
from linkage.ports import Adapter, AdapterRefusedError

FILE: str = "_file"
T = TypeVar("T")


class SettingsError(AdapterRefusedError):
    """The settings of an adapter cannot be used. `problems` are lines for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_settings(
    model: type[T], peer_id: str, values: Mapping[str, Any], folder: Path = Path()
) -> T:
    """The settings of one adapter, checked as a whole.

    Args:
        model: what the adapter declares.
        peer_id: whose they are.
        values: what was written.
        folder: what paths in them are relative to.

    Raises:
        SettingsError: with every problem at once, each as `adapter ID: settings.KEY: …`.
    """
    where = f"adapter {peer_id}"
    given, problems = _with_secrets(model, values, folder, where)
    try:
        made = check(model, given, where, at="settings")
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    return placed(made, folder)


def settings_of(item: AdapterSettings, cls: type[Adapter], folder: Path) -> Any:
    """What an adapter is given: as `load_config` has checked it, or checked now.

    Raises:
        SettingsError: as of `read_settings`.
    """
    if item.checked is not None:
        return item.checked
    if cls.settings_class is dict:
        return dict(item.settings)
    return read_settings(cls.settings_class, item.id, item.settings, folder)


def with_settings(config: Config, *, only: str | None = None) -> Config:
    """The same configuration, the settings of its adapters checked, or of one of them.

    Raises:
        ConfigError: with every problem, see `check_adapters`.
    """
    checked, problems = check_adapters(config, only=only)
    if problems:
        raise ConfigError([f"{config.source}: {line}" for line in problems])
    return config.model_copy(update={"adapter": checked})


def check_adapters(
    config: Config, *, only: str | None = None
) -> tuple[tuple[AdapterSettings, ...], list[str]]:
    """The adapters, those checked whose settings are right; and what is wrong with the others.

    Settings that cannot be used, an adapter whose library is not installed, two adapters for one
    place at a platform: each as `adapter ID: problem`.
    """
    from adapters.registry import AdapterLoadError, load_adapter

    items: list[AdapterSettings] = []
    problems: list[str] = []
    taken: dict[str, str] = {}
    for item in config.adapter:
        settings = None
        if only in {None, item.id}:
            try:
                cls = load_adapter(item.kind)
                settings = settings_of(item, cls, config.source.parent)
            except AdapterLoadError as error:
                problems.append(f"adapter {item.id}: {error}")
            except SettingsError as error:
                problems += error.problems
            else:
                place = cls.place_of(settings)
                if place and (other := taken.setdefault(place, item.id)) != item.id:
                    problems.append(f"adapter {item.id}: {place} is adapter {other}'s already")
        items.append(item.model_copy(update={"checked": settings}))
    return tuple(items), problems


def secret_names(model: Any) -> list[str]:
    """The settings that are secret, and may stand in a file of their own."""
    return [name for name, hint in hints_of(model).items() if hint in (Secret, Secret | None)]


def _with_secrets(
    model: Any, values: Mapping[str, Any], folder: Path, where: str
) -> tuple[dict[str, Any], list[str]]:
    """What was written, with what lies in files; and what is wrong with those."""
    given, problems = dict(values), []
    for name in secret_names(model):
        written = given.pop(name + FILE, None)
        if written is None:
            continue
        key = f"{where}: settings.{name}{FILE}"
        is_set_too = name in given
        given.setdefault(name, Secret(""))  # it is not missing, whatever is wrong with its file
        if is_set_too:
            problems.append(f"{key}: {name} is set, too: remove one of them")
        elif not isinstance(written, str):
            problems.append(f"{key}: write the path of a file, as a text")
        else:
            try:
                given[name] = read_secret(folder / written)
            except KeyringError as error:
                problems.append(f"{key}: {error}")
    return given, problems
