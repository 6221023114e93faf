"""Read and check a configuration file, whole."""

from __future__ import annotations

from pathlib import Path

from linkage.config.adapters import with_settings
from linkage.config.file import Config, read_config
from protocol.suggest import suggesting


@suggesting
def load_config(path: str | Path) -> Config:
    """Read and check a configuration file, the settings of its adapters included.

    Raises:
        ConfigError: with all problems, each as `FILE: KEY: what is wrong, what to do`.
    """
    return with_settings(read_config(path))
