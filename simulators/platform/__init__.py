"""A communication platform that speaks the protocol natively; its telephones follow scripts.

`engine` is the platform without I/O, `shell` puts it on the wire, `serve` keeps it there.
"""

from __future__ import annotations

from simulators.platform.serving import serve
from simulators.platform.simulated_platform import SimulatedPlatform, open_platform, with_fresh_ids

__all__ = ["SimulatedPlatform", "open_platform", "serve", "with_fresh_ids"]
