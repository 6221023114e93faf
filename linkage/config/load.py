"""Read and check a configuration file, whole."""

from __future__ import annotations

from pathlib import Path

from linkage.config.file import Config, read_config
from protocol.suggest import suggesting


@suggesting
def load_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with all problems, each as `FILE: KEY: what is wrong, what to do`.
    """
    return read_config(path)
