"""Errors that a client may see: a code, a status, a message, and whether trying again makes sense.

The codes here belong to the kernel (`CONTRACT.md` B.1); a domain declares its own beside its port.
"""

from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Code:
    """One row of the error table. `retry_after` is in seconds."""

    name: str
    status: int
    message: str
    retryable: bool = False
    retry_after: int | None = None


UNAUTHORIZED = Code("AUTH_001", 401, "Please sign in.")
TOKEN_EXPIRED = Code("AUTH_002", 401, "Your sign-in has expired.")
TOKEN_INVALID = Code("AUTH_003", 401, "This sign-in is not valid.")
SESSION_EXPIRED = Code("AUTH_004", 401, "This session has ended. Please sign in again.")
FORBIDDEN = Code("FORBIDDEN", 403, "You may not do this.")
STEP_UP = Code("STEP_UP_REQUIRED", 403, "Please sign in again to do this.")
VALIDATION = Code("VAL_001", 400, "Some of the input is not valid.")
INVALID_INPUT = Code("VAL_002", 400, "The input is not valid.")
MISSING_FIELD = Code("VAL_003", 400, "Something required is missing.")
INVALID_FORMAT = Code("VAL_004", 400, "The request could not be read.")
NOT_FOUND = Code("RES_001", 404, "Not found.")
ALREADY_EXISTS = Code("RES_002", 409, "This exists already.")
CONFLICT = Code("RES_003", 409, "This changed in the meantime.")
GONE = Code("RES_004", 410, "This is no longer available.")
METHOD_NOT_ALLOWED = Code("METHOD_NOT_ALLOWED", 405, "This method is not allowed here.")
PRECONDITION_FAILED = Code("PRECONDITION_FAILED", 412, "This changed since you read it.")
PAYLOAD_TOO_LARGE = Code("PAYLOAD_TOO_LARGE", 413, "The request is too large.")
URI_TOO_LONG = Code("URI_TOO_LONG", 414, "The address is too long.")
UNSUPPORTED_MEDIA = Code("UNSUPPORTED_MEDIA_TYPE", 415, "Send JSON, not compressed.")
EXPECTATION_FAILED = Code("EXPECTATION_FAILED", 417, "This expectation cannot be met.")
HEADERS_TOO_LARGE = Code("HEADERS_TOO_LARGE", 431, "The request's headers are too large.")
KEY_REUSED = Code("IDEMPOTENCY_KEY_REUSED", 422, "This idempotency key was used for another request.")
IN_PROGRESS = Code(
    "OPERATION_IN_PROGRESS", 409, "The same request is still being worked on.", retryable=True, retry_after=1
)
RATE_LIMITED = Code("RATE_001", 429, "Too many requests. Please wait a moment.", retryable=True, retry_after=5)
INTERNAL = Code("SYS_001", 500, "Something went wrong on our side.")
UNAVAILABLE = Code("SYS_002", 503, "The service is busy. Please try again.", retryable=True, retry_after=1)
TIMEOUT = Code("SYS_003", 504, "This took too long. Please try again.", retryable=True, retry_after=1)


class Problem(Exception):
    """A refusal that the client is told about. Domains raise it, the HTTP layer answers it; `details` is public."""

    def __init__(
        self,
        code: Code,
        message: str | None = None,
        *,
        details: Mapping[str, object] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message or code.message)
        self.code = code
        self.message = message or code.message
        self.details = details
        self.retry_after = retry_after if retry_after is not None else code.retry_after


@attrs.frozen
class FieldError:
    """One field that was refused. `field` is its path on the wire: `items.0.quantity`."""

    field: str
    message: str
    code: str = "invalid"


class Invalid(Problem):
    """Input that was refused, with every field that is wrong."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(VALIDATION, details={"validationErrors": [attrs.asdict(e) for e in errors]})
        self.errors = tuple(errors)


def not_found(what: str) -> Problem:
    """The answer for a thing that is not there or is somebody else's: the two look alike on purpose."""
    return Problem(NOT_FOUND, f"{what} not found.")
