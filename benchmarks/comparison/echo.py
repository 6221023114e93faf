"""The echo server: answers each frame with Result 0, and that is all.

python -m benchmarks.comparison.echo
"""

from __future__ import annotations

import asyncio

from benchmarks.comparison.frames import FramePeer, answer_to
from benchmarks.process import run


class Echo(FramePeer):
    """One connection."""

    def received(self, payload: bytes) -> None:
        """Answer."""
        answer = answer_to(payload)
        if answer is not None:
            self.transport.write(answer)


async def serve() -> None:
    """Until it is ended."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print("listens on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    run(serve())
