"""What is known of a request by the time it is answered, for its log line and for the metrics."""

import traceback
from collections.abc import Iterator, Sequence
from types import TracebackType
from uuid import UUID

import attrs

from core.errors import INTERNAL, Problem
from core.observe.spent import Spent

FRAMES = 12
"""Of a stack, the innermost ones."""
SERVER_ERROR = 500


@attrs.define(eq=False)
class Progress:
    """A request's. No text of an exception, no value of the request is ever in it."""

    user: UUID | None = None
    spent: Spent | None = None
    """What it cost the database; None before it was let in."""
    code: str = ""
    """Of the refusal, such as SYS_002."""
    error: str = ""
    """The exception's class, where the fault is ours (5xx), and then where it happened."""
    stack: Sequence[str] = ()

    def refused(self, problem: Problem) -> None:
        """It is answered with a refusal."""
        self.code = problem.code.name
        if problem.code.status >= SERVER_ERROR:
            self._tell(problem, problem.__cause__ or problem)

    def failed(self, error: BaseException) -> None:
        """It is answered 500 for an exception that no rule expected."""
        self.code = INTERNAL.name
        self._tell(error, error)

    def _tell(self, raised: BaseException, cause: BaseException) -> None:
        self.error, self.stack = type(cause).__name__, stack_of(raised.__traceback__)


def stack_of(trace: TracebackType | None) -> list[str]:
    """Where an exception came from, innermost last. No source line is read from disk."""
    return list(_places(trace))[-FRAMES:]


def _places(trace: TracebackType | None) -> Iterator[str]:
    for frame, line in traceback.walk_tb(trace):
        code = frame.f_code
        yield f"{code.co_filename}:{line} {code.co_name}"
