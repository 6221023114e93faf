"""What can be wrong with how the gateway is set up."""

from __future__ import annotations


class ListenError(Exception):
    """An address cannot be listened on, or TLS cannot be spoken with what is configured.

    The text names the address or the setting, the reason and the remedy.
    """
