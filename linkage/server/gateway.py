"""From the configuration to the gateway: which setting becomes which figure of it."""

from __future__ import annotations

from dataclasses import fields

from gateway import Gateway, GatewaySettings
from linkage.config.file import Config
from linkage.config.gateway import ConnectionLimits
from linkage.ports import Clock, CorePort


def make_gateway(config: Config, core: CorePort, clock: Clock) -> Gateway:
    """The gateway that a configuration describes, not started."""
    return Gateway(
        core,
        [peer.profile(config.limits.requests_per_s) for peer in config.peer],
        config.plain_addresses,
        gateway_settings(config),
        clock,
        listen_tls=config.tls_addresses,
        tls=config.tls,
        beside=bool(config.adapter),
    )


def gateway_settings(config: Config) -> GatewaySettings:
    """Its figures."""
    limits = {name.name: getattr(config.limits, name.name) for name in fields(ConnectionLimits)}
    return GatewaySettings(
        **limits,
        timers=config.timers,
        allow=config.allow,
        # A stranger that does not even agree on TLS is given no longer than one that does.
        handshake_within_s=config.timers.register_within_s,
    )
