"""Does a command to a call: in time or never, whole or taken back, and says which.

A command has a deadline. Its first action goes out before that or never: the platform must answer
while the command is written down, for one that stands still would do later what lies in its
socket. While its actions are out, the record says how the call was before it
(`interrupted_command`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.voice import commands
from adapters.voice.driver import OutcomeUnknownError
from adapters.voice.interrupted_command import InterruptedCommand, keep_ends, undo
from adapters.voice.json_codec import to_json
from adapters.voice.platform_actions import Action, HangUp
from adapters.voice.step import PATIENCE_S, Effect, Step
from adapters.voice.step_execution import StepExecution, actions_of
from linkage.logs.request_fields import fields_of
from linkage.ports import AdapterError, AdapterUnavailableError, Command, CommandError, Outcome
from protocol.results import Result

logger = logging.getLogger("linkage.voice")

ANSWER_S: Final = 1.0
"""So long an answer of the platform says that it does what it is asked now."""


LONG_S: Final = 86_400.0
"""No command waits longer, whatever its deadline says."""


@dataclass(slots=True, eq=False)
class PendingCommand:
    """A command that waits for its turn, and who waits for its outcome.

    `begun` once a request for it was sent, or may have been.
    """

    request: Command
    outcome: asyncio.Future[Outcome]
    begun: bool = False
    failed: list[str] = field(default_factory=list)
    """Whose actions the platform refused, as of `Action.owner`."""
    hung_up: list[str] = field(default_factory=list)
    """The channels that the platform has hung up for it."""

    def left_s(self, now: float) -> float:
        """How long it may still be begun, negative where its time is over."""
        return min(self.request.deadline - now, LONG_S)


async def obey(steps: StepExecution, command: PendingCommand) -> None:
    """Do a command, unless nobody waits for it any more: who gave it was told so."""
    outcome = command.outcome
    if outcome.done() or _left_s(steps, command) <= 0:
        fail(outcome, expired())
        steps.call.closed |= not steps.call.begun
        return
    step = steps.step()
    try:
        answer = _decide(step, command)
    except CommandError as error:
        steps.take_back(steps.saved)
        fail(outcome, error)
        return
    before, steps.saved = steps.saved, to_json(steps.call)
    try:
        await _fulfil(steps, command, step.effects, before)
    except CommandError as error:
        await _take_back(steps, command, before, error)
        return
    except BaseException as error:
        # The link or the core is lost, and this actor with it: the memory knows the rest.
        fail(outcome, lost(error, command))
        raise
    resolve(outcome, answer)
    await steps.look_up(step.effects)
    if command.failed:
        await steps.carry_out(steps.follow(command.failed))


def _decide(step: Step, command: PendingCommand) -> Outcome:
    request = command.request
    step.request_id = request.id
    step.patience_s = float(PATIENCE_S if request.expire_s is None else request.expire_s)
    try:
        return commands.execute(step, request.message)
    except CommandError:
        raise
    except Exception as error:
        logger.exception(
            "call %s: command %s failed, taken back",
            step.call.id,
            request.id,
            extra=fields_of(request),
        )
        raise CommandError(Result.INTERNAL, f"the adapter failed: {error}") from error


async def _fulfil(
    steps: StepExecution, command: PendingCommand, effects: Sequence[Effect], before: Any
) -> None:
    """Have the actions of a command done, then tell what is told of it."""
    office = steps.office
    office.index(steps.call)
    actions = actions_of(effects)
    if actions:
        asked = office.clock.now()
        # While that is being written, see whether the platform answers: asked first, it does so
        # while what is to be written is put together.
        for each in await asyncio.gather(
            _be_answered(steps, command),
            _write_down(steps, command, effects, before),
            return_exceptions=True,
        ):
            if each is not None:
                raise each
        if office.clock.now() - asked > ANSWER_S:
            await _be_answered(steps, command)
    else:
        await _be_answered(steps, command)
    for action in actions:
        owner = await _perform(steps, command, action)
        if owner:
            command.failed.append(owner)
        elif isinstance(action, HangUp):
            command.hung_up.append(action.channel)
    # What has no actions is begun by its commit, however long that takes.
    command.begun = True
    await steps.conclude(effects)


async def _write_down(
    steps: StepExecution, command: PendingCommand, effects: Sequence[Effect], before: Any
) -> None:
    steady = steps.office.steady
    until = steady.at(command.request.deadline)
    doubt = InterruptedCommand(before=before, until=until, began=steady.now())
    await steps.office.port.record(memory=steps.record(effects, doubt))


async def _take_back(
    steps: StepExecution, command: PendingCommand, before: Any, error: CommandError
) -> None:
    """Let the call be as before; who was muted on the way may speak again.

    Who was hung up on the way is gone, and is told as gone for this command.
    """
    undone = steps.call
    steps.take_back(before)
    keep_ends(steps.call, undone, command.hung_up)
    steps.saved = to_json(steps.call)
    step = steps.step()
    if command.begun:
        undo(step, undone)
    await steps.office.port.record(memory=steps.record(step.effects))
    fail(command.outcome, error)
    await steps.act(actions_of(step.effects))
    if step.effects:
        await steps.conclude(step.effects)


async def _be_answered(steps: StepExecution, command: PendingCommand) -> None:
    """Return when the platform answers, in time for the command: it does not stand still.

    Raises:
        CommandError: the time is over.
    """
    try:
        await steps.office.driver.ping(_left_s(steps, command))
    except TimeoutError:
        raise expired() from None
    if _left_s(steps, command) <= 0 or command.outcome.done():
        raise expired()


async def _perform(steps: StepExecution, command: PendingCommand, action: Action) -> str:
    """Have one action done; the first one of a command only while there is time for it."""
    within_s = None
    if not command.begun:
        within_s = _left_s(steps, command)
        if within_s <= 0 or command.outcome.done():
            raise expired()
        command.begun = True
    try:
        return await steps.perform(action, begin_within_s=within_s, commanded=True)
    except OutcomeUnknownError:
        raise
    except AdapterUnavailableError as error:
        if within_s is not None:
            command.begun = False  # nobody was there to take it
            if _left_s(steps, command) <= 0:
                raise expired() from error
        raise


def _left_s(steps: StepExecution, command: PendingCommand) -> float:
    return command.left_s(steps.office.clock.now())


# --- what those are told who wait ----------------------------------------------------------------
def resolve(outcome: asyncio.Future[Outcome], answer: Outcome) -> None:
    """Tell who waits for a command what came of it, unless he was told."""
    if not outcome.done():
        outcome.set_result(answer)


def fail(waited: asyncio.Future[Any], error: Exception) -> None:
    """Tell who waits that it came to nothing, unless he was told."""
    if not waited.done():
        waited.set_exception(error)


def expired() -> CommandError:
    """Its time is over, and nothing of it was begun."""
    return CommandError(Result.EXPIRED, "the command expired before it could be begun")


def lost(error: BaseException, command: PendingCommand) -> Exception:
    """What the sender of a command is told when the link broke over it."""
    if command.begun:
        return CommandError(Result.TIMEOUT, f"{words(error)}: nobody knows whether it was done")
    return AdapterUnavailableError(f"{words(error)}: it was not begun")


def words(error: BaseException) -> str:
    """Why a link is lost, where it says so."""
    return str(error) if isinstance(error, AdapterError) else "the link to the platform was lost"
