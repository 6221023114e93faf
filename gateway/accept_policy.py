"""May somebody connect at all? Judged by the address alone, before a byte is read.

In this order: the allow-list, how fast connections come from there, how many there are already.
"""

from __future__ import annotations

from gateway.context import GatewayContext
from gateway.hosts import is_within, neighbourhood
from gateway.open_connections import Objection


class AcceptPolicy:
    """Judges new connections, and has those that it turns away journalled."""

    def __init__(self, context: GatewayContext) -> None:
        self._context = context

    def turns_away(self, host: str, address: str) -> bool:
        """Whether a connection from there is to be closed at once.

        `address` is the host with the port, for the journal.
        """
        objection = self._objection(host)
        figures = self._context.figures
        if objection is None:
            figures.accepted += 1
            return False
        figures.turned_away[objection.reason] += 1
        self._context.refusals.turned_away(neighbourhood(host), address, objection.text)
        return True

    def _objection(self, host: str) -> Objection | None:
        context = self._context
        if not is_within(host, context.allow):
            return Objection("allow", "the address is not in `allow`")
        if context.rates.connect(neighbourhood(host)):
            per_s = context.settings.connects_per_s
            return Objection("rate", f"more than {per_s:g} connections a second from there")
        return context.connections.objection(neighbourhood(host))
