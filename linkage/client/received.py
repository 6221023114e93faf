"""What the roles are handed: notices to acknowledge, commands to answer."""

from __future__ import annotations

from linkage.client.inbox import Incoming
from protocol.results import Result
from protocol.suggest import suggesting


class Received(Incoming):
    """A notice (1xx), a push to a screen (3xx, 5xx), or a screen's action (6xx) at an application.

    The loop over `notices()` acknowledges it by coming back for the next, unless it was answered
    before. A loop that crashes does not come back: then linkage delivers it again.
    """

    async def acknowledge(self) -> bool:
        """Answer Result 0 now. False when no session is left to say it to.

        Linkage will deliver it again.
        """
        return self.settle(Result.OK)

    @suggesting
    async def refuse(self, result: int, detail: str | None = None) -> bool:
        """Answer with a result of protocol.md#results, and one line for a person.

        Linkage does not deliver it again, unless the result is one that passes (206 rate limited,
        403 storage full, 404 overload): then it and all that follows come after a pause.
        """
        return self.settle(result, detail)


class Command(Incoming):
    """A command (2xx, 4xx) for a platform. Every one must be answered.

    Several may be worked on at a time.
    """

    @suggesting
    async def answer(
        self,
        result: int = Result.OK,
        *,
        detail: str | None = None,
        call_id: str | None = None,
        conference_id: str | None = None,
        op_id: str | None = None,
    ) -> bool:
        """Accept (0, or 1.

        The outcome follows in a notice with this command's Id as `request_id`) or refuse it.

        `call_id` and `conference_id` are ids that the platform has allocated for it. False when
        linkage is not there to hear it.
        """
        return self.settle(
            result, detail, call_id=call_id, conference_id=conference_id, op_id=op_id
        )

    @property
    def id(self) -> str:
        """Its Id: the `request_id` of the notices about what comes of it."""
        return self.request.id
