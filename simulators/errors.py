"""What can be wrong with a scenario, for the person who wrote it."""

from __future__ import annotations


class ScenarioError(Exception):
    """A scenario cannot be used.

    `problems` are lines `FILE: KEY: what is wrong, what to do`, all of them at once.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
