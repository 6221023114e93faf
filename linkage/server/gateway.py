"""From the configuration to the gateway: which setting becomes which figure of it."""

from __future__ import annotations

from gateway import Gateway, GatewaySettings, TlsFiles
from linkage.config.file import Config
from linkage.ports import Clock, CorePort, Rate
from protocol.events import Timers

MINUTE_S = 60


def make_gateway(config: Config, core: CorePort, clock: Clock) -> Gateway:
    """The gateway that a configuration describes, not started."""
    return Gateway(
        core,
        [peer.profile(config.limits.requests_per_s) for peer in config.peer],
        config.plain_addresses,
        gateway_settings(config),
        clock,
        listen_tls=config.tls_addresses,
        tls=tls_files(config),
        beside=bool(config.adapter),
    )


def gateway_settings(config: Config) -> GatewaySettings:
    """Its figures."""
    limits = config.limits
    per_minute = limits.refusals_per_minute
    return GatewaySettings(
        timers=Timers(
            heartbeat_s=config.timers.heartbeat_s,
            dead_after_s=config.timers.dead_after_s,
            register_within_s=config.timers.register_within_s,
            answer_within_s=config.timers.answer_within_s,
            frame_within_s=config.timers.frame_within_s,
        ),
        connections=limits.connections,
        connections_per_address=limits.connections_per_address,
        unregistered=limits.unregistered,
        unregistered_per_address=limits.unregistered_per_address,
        accepts=Rate(per_s=limits.connects_per_s, burst=limits.connects_burst),
        failures=Rate(per_s=per_minute / MINUTE_S, burst=max(1.0, per_minute)),
        allow=config.allow,
        message_bytes=limits.message_bytes,
        # A stranger that does not even agree on TLS is given no longer than one that does.
        handshake_within_s=config.timers.register_within_s,
    )


def tls_files(config: Config) -> TlsFiles:
    """Where its certificates lie."""
    tls = config.tls
    return TlsFiles(
        certificate=config.path_of(tls.certificate),
        key=config.path_of(tls.key),
        client_ca=config.path_of(tls.client_ca),
        require_client_certificate=tls.require_client_certificate,
        dial_ca=config.path_of(tls.dial_ca),
    )
