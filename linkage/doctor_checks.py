"""What is installed, reachable and writable here, and what to do about what is not.

Every check is on its own: one that fails says so and the others go on. Nothing is changed but a
file that is written to the data directory and removed again.
"""

from __future__ import annotations

import errno
import importlib.util
import platform
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from linkage.addresses import reachable
from linkage.ports.probe import Finding, State

if TYPE_CHECKING:
    from linkage.config.file import AdapterSettings, Config

PYTHON_MIN: Final = (3, 11)
CONNECT_S: Final = 2.0
FREE_BROKEN, FREE_LITTLE = 100 * 1000**2, 1000**3
"""Bytes of free disk: below the first nothing sensible can run, below the second not for long."""
CLOCK_BACK: Final = timedelta(minutes=5)
"""protocol.md#registration: registrations are refused when clocks differ by more."""

NEEDED: Final = {
    "lxml": "lxml",
    "sqlalchemy": "SQLAlchemy",
    "alembic": "alembic",
    "pydantic": "pydantic",
    "rich": "rich",
    "structlog": "structlog",
    "msgpack": "msgpack",
    "zmq": "pyzmq",
    "prometheus_client": "prometheus-client",
}
"""Module → distribution."""
HELPFUL: Final = {"uvloop": "a faster event loop"}
OF_TRACES: Final = "opentelemetry.exporter.otlp.proto.http"
PROBE_S: Final = 20.0
"""What a platform is given to answer all that a probe asks."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def examine(config_file: Path, now: datetime) -> Iterator[Finding]:
    """Every check, in the order in which a person would mend things."""
    yield check_python()
    yield from check_packages()
    config, findings = read(config_file)
    yield from findings
    if config is not None:
        for name, check in _checks(config, now):
            yield from _contained(name, check)


Check = Callable[[], Finding | Iterable[Finding]]


def _checks(config: Config, now: datetime) -> Iterator[tuple[str, Check]]:
    """Those that want a configuration, each with the name of what it looks at."""
    yield "secrets", partial(check_secrets, config.source)
    yield "data", partial(check_data, config.data_path)
    yield "disk", partial(check_space, config.data_path)
    yield "store", partial(check_store, config, now)
    places = [*config.plain_addresses, *config.tls_addresses]
    if config.watch is not None:
        places.append(config.watch.listen)
    for host, port in places:
        yield f"listen {host}:{port}", partial(check_listen, host, port)
    if config.tls.certificate is not None:
        yield "tls", partial(check_tls, config)
    yield "bus", partial(check_bus, config)
    if config.trace is not None:
        yield "trace", partial(check_trace, config.trace.endpoint)
    yield "adapters", partial(check_adapters, config)


def _contained(name: str, check: Check) -> Iterator[Finding]:
    """What a check has found; that it failed itself is a finding too, and the others go on."""
    try:
        found = check()
        yield from (found,) if isinstance(found, Finding) else found
    except Exception as error:  # noqa: BLE001 - an adapter's probe is anybody's code
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        yield Finding(name, State.BROKEN, f"cannot be checked: {words}")


def check_tls(config: Config) -> Finding:
    """Can the certificates be used, and for how long?"""
    from gateway import ListenError
    from gateway.transport.certificate import read_validity
    from gateway.transport.tls import Tls
    from linkage.clock import SystemClock

    files = config.tls
    try:
        Tls(files, SystemClock())
    except ListenError as error:
        return Finding("tls", State.BROKEN, str(error))
    assert files.certificate is not None, "asked for only where there is one"
    until = read_validity(files.certificate.read_text(encoding="ascii", errors="replace")).until
    return Finding("tls", State.OK, f"{files.certificate}: valid until {until:%Y-%m-%d}")


def check_bus(config: Config) -> Finding:
    """Could the parts of `serve --only` find each other?"""
    from linkage.bus.address import endpoint, is_ipc
    from linkage.bus.keys import KeyFileError, read_allowed, read_pair
    from linkage.bus.part_names import CORE
    from linkage.bus.sockets import BusError

    address = config.messaging.address
    folder = config.messaging.keys
    try:
        place = endpoint(address, config.data_path)
        if is_ipc(place):
            return Finding("bus", State.OK, f"{place}, for processes of this host")
        if not (folder / "core.key").exists():
            # The host of a part: that holds its own key and nobody else's.
            parts = sorted(path.stem for path in folder.glob("*.key"))
            return Finding(
                "bus", State.OK, f"{place}, with keys of {', '.join(parts) or 'nobody'}"
            )
        read_pair(folder, CORE)
        known = ", ".join(sorted(read_allowed(folder).values()))
    except BusError as error:
        return Finding("bus", State.WARNING, str(error), "only `serve --only` needs it")
    except KeyFileError as error:
        return Finding(
            "bus", State.BROKEN, str(error), "`linkage keys` makes those that are missing"
        )
    return Finding("bus", State.OK, f"{place}, with keys of {known}")


def check_python() -> Finding:
    """Is this Python new enough?"""
    version = platform.python_version()
    if sys.version_info[:2] < PYTHON_MIN:
        wanted = ".".join(str(part) for part in PYTHON_MIN)
        return Finding("python", State.BROKEN, version, f"install Python {wanted} or newer")
    return Finding("python", State.OK, f"{version} ({platform.system()} {platform.machine()})")


def check_packages() -> Iterator[Finding]:
    """Are the libraries there?"""
    missing = [name for module, name in NEEDED.items() if not _is_installed(module)]
    if missing:
        yield Finding(
            "packages", State.BROKEN, f"missing: {', '.join(missing)}", "pip install linkage"
        )
    else:
        yield Finding("packages", State.OK, f"{len(NEEDED)} needed packages are installed")
    for module, use in HELPFUL.items():
        if not _is_installed(module):
            yield Finding(module, State.NOTE, f"not installed: {use}", f"pip install {module}")


def read(config_file: Path) -> tuple[Config | None, list[Finding]]:
    """Is the configuration valid?"""
    from linkage.config.file import read_config
    from linkage.config.problems import ConfigError

    try:
        config = read_config(config_file)
    except ConfigError as error:
        return None, [
            Finding("configuration", State.BROKEN, problem) for problem in error.problems
        ]
    peers, adapters = len(config.peer), len(config.adapter)
    detail = f"{config_file}: {peers} peers, {adapters} adapters"
    if not peers:
        remedy = "add [[peer]] tables, or make a file with `linkage init DIR`"
        return config, [Finding("configuration", State.WARNING, detail, remedy)]
    return config, [Finding("configuration", State.OK, detail)]


def check_secrets(path: Path) -> Finding:
    """Can others read the secrets?"""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return Finding(
            "secrets", State.WARNING, f"{path} can be read by others", f"chmod 600 {path}"
        )
    return Finding("secrets", State.OK, "the configuration is its user's only")


def check_data(folder: Path) -> Finding:
    """Can the data directory be written?"""
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            "data", State.BROKEN, f"{place}: {error.strerror}",
            "make it writable for this user, or choose another `data`",
        )  # fmt: skip
    if place != folder:
        return Finding("data", State.OK, f"{folder} will be made by `linkage serve`")
    return Finding("data", State.OK, f"{folder} is writable")


def check_space(folder: Path) -> Finding:
    """Is there room on the disk?"""
    free = shutil.disk_usage(_existing(folder)).free
    detail = f"{free / 1000**3:.1f} GB free"
    if free < FREE_BROKEN:
        return Finding("disk", State.BROKEN, detail, "free some space, or choose another `data`")
    if free < FREE_LITTLE:
        return Finding("disk", State.WARNING, detail, "free some space: recordings need it")
    return Finding("disk", State.OK, detail)


def check_store(config: Config, now: datetime) -> Finding:
    """Is the store ours, and is the clock ahead of its last entry?"""
    from linkage.store.read.reader import StoreReader
    from linkage.store.sqlite.database import StoreError
    from linkage.times import full_time

    if not config.database_path.exists():
        return Finding("store", State.OK, "none yet: it is made by `linkage serve`")
    try:
        with StoreReader.open(config.database_path) as reader:
            last = reader.last_entries(1)
    except StoreError as error:
        return Finding("store", State.BROKEN, str(error), "see the text")
    if last and last[0].recorded_at > now + CLOCK_BACK:
        return Finding(
            "clock", State.BROKEN,
            f"it is {full_time(now, to='minutes')} here, but the journal ends at "
            f"{full_time(last[0].recorded_at, to='minutes')}", "set the clock; run NTP",
        )  # fmt: skip
    entries = last[0].seq if last else 0
    return Finding("store", State.OK, f"{config.database_path}: {entries} journal entries")


def check_listen(host: str, port: int) -> Finding:
    """Is the port free, or does something listen there already?"""
    name = f"listen {host}:{port}"
    if port and _answers(reachable(host), port) is None:
        return Finding(name, State.NOTE, "something listens there: linkage, if it is running")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        remedy = "choose another address in `listen`"
        if error.errno == errno.EACCES:
            remedy = "ports below 1024 need privileges: choose a higher one in `listen`"
        return Finding(name, State.BROKEN, error.strerror or str(error), remedy)
    return Finding(name, State.OK, "free")


def check_adapters(config: Config) -> Iterator[Finding]:
    """Can the adapters be loaded, are their settings right, what do their platforms say?"""
    from linkage.config.adapters import check_adapters as check

    items, problems = check(config)
    for problem in problems:
        name, _, detail = problem.partition(": ")
        yield Finding(
            name, State.BROKEN, detail, "correct the settings, or install what is missing"
        )
    for item in items:
        if item.checked is not None:
            yield from _contained(f"adapter {item.id}", partial(_probe, item))


def _probe(item: AdapterSettings) -> list[Finding]:
    import asyncio

    from adapters.registry import load_adapter

    name, cls = f"adapter {item.id}", load_adapter(item.kind)

    async def probe() -> list[Finding]:
        async with asyncio.timeout(PROBE_S):
            return list(await cls.probe(name, item.checked))

    try:
        return asyncio.run(probe()) or [
            Finding(name, State.OK, "settings are valid; the platform was not probed")
        ]
    except TimeoutError:
        remedy = "start the platform, or correct the settings; linkage goes on trying"
        return [Finding(name, State.WARNING, f"no answer within {PROBE_S:g} s", remedy)]


def check_trace(endpoint: str) -> Finding:
    """Can traces be made, and is there a collector for them?"""
    if not _is_installed(OF_TRACES):
        return Finding(
            "trace", State.BROKEN, "OpenTelemetry is not installed",
            "pip install 'linkage[otel]', or remove [trace]",
        )  # fmt: skip
    remedy = "start the collector, or correct `endpoint`; spans are dropped meanwhile"
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        return Finding("trace", State.BROKEN, f"{endpoint}: is no address", "correct `endpoint`")
    problem = _answers(host, port)
    if problem is not None:
        return Finding("trace", State.WARNING, f"{host}:{port}: {problem}", remedy)
    return Finding("trace", State.OK, f"{host}:{port} answers")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _answers(host: str, port: int) -> str | None:
    """None where a TCP connection can be made, else why not."""
    try:
        with socket.create_connection((host, port), CONNECT_S):
            return None
    except OSError as error:
        return error.strerror or str(error) or "does not answer"
