"""A request that is not taken."""

from __future__ import annotations

from protocol.results import Result


class RefusedError(Exception):
    """Raised where a request is refused.

    `result` for its sender, the text for the journal and `Detail`; `retry_after_s`: it may come
    again then.
    """

    def __init__(self, result: Result, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail
        self.retry_after_s = retry_after_s
