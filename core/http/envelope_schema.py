"""The parts of the OpenAPI document that no domain decides: envelope, headers, parameters (CONTRACT A.2, B.1)."""

from collections.abc import Mapping, Sequence

from core.errors import Code
from core.http.fields import Schema

EXAMPLE_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


COUNT: Schema = {"type": "integer", "minimum": 0}
POSITIVE: Schema = {"type": "integer", "minimum": 1}
TEXT: Schema = {"type": "string"}
META: Schema = {"$ref": "#/components/schemas/Meta"}

ENVELOPE: Mapping[str, Schema] = {
    "Meta": _object(
        "requestId timestamp version", requestId=TEXT, timestamp={"type": "string", "format": "date-time"}, version=TEXT
    ),
    "Pagination": _object(
        "page limit total totalPages hasMore",
        page=POSITIVE, limit=POSITIVE, total=COUNT, totalPages=COUNT, hasMore={"type": "boolean"},
    ),
    "Failure": _object(
        "success error requestId meta",
        success={"const": False},
        error=_object(
            "code message retryable",
            code=TEXT,
            message={"type": "string", "description": "For people."},
            retryable={"type": "boolean"},
            retryAfter={"type": "integer", "minimum": 0, "description": "Seconds."},
            details={"type": "object", "description": "For VAL_001 `validationErrors`: field, message and code."},
        ),
        requestId=TEXT,
        meta=META,
    ),
}  # fmt: skip

HEADERS: Mapping[str, Schema] = {
    name: {"description": description, "schema": schema}
    for name, description, schema in (
        ("X-Request-Id", "The id sent with the request, or a new one; also in the body and in the logs.", TEXT),
        ("Cache-Control", "`no-store` on personal data; on public reads, how long an answer may be kept.", TEXT),
        ("ETag", "The version of what was answered, for `If-None-Match` or `If-Match`.", TEXT),
        ("X-Idempotent-Replayed", "`true` when this is the answer of an earlier request with the same key.", TEXT),
        ("Retry-After", "Seconds to wait before trying again.", COUNT),
    )
}

PARAMETERS: Mapping[str, Schema] = {
    key: {"name": name, "in": "header", "required": False, "description": description, "schema": schema}
    for key, name, description, schema in (
        (
            "IdempotencyKey",
            "X-Idempotency-Key",
            "The same key with the same input is done once; a repeat gets the first answer again. Kept for 24 hours.",
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        ),
        ("IfMatch", "If-Match", "Do it only if this is still the version; else 412.", TEXT),
        ("IfNoneMatch", "If-None-Match", "The `ETag` of the answer at hand: 304 if it is still true.", TEXT),
    )
}


def success(data: Schema, *, paged: bool) -> Schema:
    """The envelope around an answer."""
    if paged:
        page: Schema = {"$ref": "#/components/schemas/Pagination"}
        required = "success data requestId meta pagination"
        return _object(required, success={"const": True}, data=data, requestId=TEXT, meta=META, pagination=page)
    return _object("success data requestId meta", success={"const": True}, data=data, requestId=TEXT, meta=META)


def failure(codes: Sequence[Code]) -> Schema:
    """The media type of an error answer that has one of these codes, with an example of each."""
    own: Schema = {"properties": {"error": {"properties": {"code": {"enum": [code.name for code in codes]}}}}}
    return {
        "schema": {"allOf": [{"$ref": "#/components/schemas/Failure"}, own]},
        "examples": {code.name: {"summary": code.message, "value": _example(code)} for code in codes},
    }


def _example(code: Code) -> Schema:
    error: Schema = {"code": code.name, "message": code.message, "retryable": code.retryable}
    if code.retry_after is not None:
        error["retryAfter"] = code.retry_after
    meta = {"requestId": EXAMPLE_ID, "timestamp": "2026-01-31T09:00:00Z", "version": "1.0.0"}
    return {"success": False, "error": error, "requestId": EXAMPLE_ID, "meta": meta}
