"""Sockets: the listener, the dialler and the sessions between peers and the core.

The gateway knows how bytes travel and who may speak; what a message means is the core's. It sees
the protocol and the seams of `linkage.ports`, nothing else of the middleware.
"""

from __future__ import annotations

from gateway.errors import ListenError
from gateway.gateway import Gateway
from gateway.settings import GatewaySettings
from linkage.config.gateway import TlsFiles

__all__ = ["Gateway", "GatewaySettings", "ListenError", "TlsFiles"]
