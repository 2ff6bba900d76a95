"""Failures as the xAI API shows them: one table of statuses and codes, and the flat body `{"code", "error"}`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from vitrail.domain import errors

_INVALID_ARGUMENT = "Client specified an invalid argument"
_UNAUTHENTICATED = "The request does not have valid authentication credentials"
_PERMISSION_DENIED = "The caller does not have permission to execute the specified operation"
_NOT_FOUND = "Some requested entity was not found"
_UNIMPLEMENTED = "Operation is not implemented or not supported"
_EXHAUSTED = "Some resource has been exhausted"
_DEADLINE = "Deadline expired before operation could complete"
_PRECONDITION = "The system is not in a state required for the operation's execution"
_UNAVAILABLE = "The service is currently unavailable"
_INTERNAL = "Internal error"
_DEFAULT_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """How a kind of failure looks on the wire."""

    status: int
    code: str


ERROR_KINDS: dict[type[errors.Failure], ErrorKind] = {
    errors.Failure: ErrorKind(500, _INTERNAL),
    errors.InvalidArgument: ErrorKind(400, _INVALID_ARGUMENT),
    errors.MalformedBody: ErrorKind(400, _INVALID_ARGUMENT),
    errors.IncorrectApiKey: ErrorKind(400, _INVALID_ARGUMENT),
    errors.ContextTooLong: ErrorKind(400, _INVALID_ARGUMENT),
    errors.ShapeMismatch: ErrorKind(422, _INVALID_ARGUMENT),
    errors.MissingCredentials: ErrorKind(401, _UNAUTHENTICATED),
    errors.PermissionDenied: ErrorKind(403, _PERMISSION_DENIED),
    errors.NotFound: ErrorKind(404, _NOT_FOUND),
    errors.UnknownModel: ErrorKind(404, _NOT_FOUND),
    errors.UnknownRoute: ErrorKind(404, _NOT_FOUND),
    errors.WrongMethod: ErrorKind(405, _UNIMPLEMENTED),
    errors.RequestTimedOut: ErrorKind(408, _DEADLINE),
    errors.ImageFetchFailed: ErrorKind(412, _PRECONDITION),
    errors.BodyTooLarge: ErrorKind(413, _EXHAUSTED),
    errors.UnsupportedMedia: ErrorKind(415, _INVALID_ARGUMENT),
    errors.RateLimited: ErrorKind(429, _EXHAUSTED),
    errors.OutOfCredits: ErrorKind(429, _EXHAUSTED),
    errors.InternalFailure: ErrorKind(500, _INTERNAL),
    errors.Unavailable: ErrorKind(503, _UNAVAILABLE),
    errors.Stopping: ErrorKind(503, _UNAVAILABLE),
}


class ErrorBody(msgspec.Struct):
    """The body of every refusal."""

    code: str
    error: str


class MethodRefused(errors.WrongMethod):
    """This route does not take that method."""

    def __init__(self, *, method: str, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(f"This route does not take {method[:20]}.", hint=f"It takes {', '.join(allowed)}.")


def kind_of(failure: errors.Failure) -> ErrorKind:
    """Return status and code of a failure, by the nearest class of its tree that the table names."""
    return next(ERROR_KINDS[cls] for cls in type(failure).__mro__ if cls in ERROR_KINDS)


def render_error_json(failure: errors.Failure) -> bytes:
    """Return a failure as compact JSON, for a body or for an event of a stream."""
    return msgspec.json.encode(ErrorBody(code=kind_of(failure).code, error=utf8_sentence(failure)))


def utf8_sentence(failure: errors.Failure) -> str:
    """Return what a failure says, without what UTF-8 cannot hold."""
    return failure.sentence.encode("utf-8", "replace").decode("utf-8")


def render_failure(failure: errors.Failure) -> Response:
    """Return a failure as the answer to a request."""
    return answer_failure(failure, render_error_json(failure))


def answer_failure(failure: errors.Failure, body: bytes) -> Response:
    """Return the answer that refuses with `body`: the failure's status and headers, the same in every shape."""
    response = Response(body, status_code=kind_of(failure).status, media_type="application/json")
    response.headers.update(failure.headers)
    if isinstance(failure, MethodRefused):
        response.headers["allow"] = ", ".join(failure.allowed)
    retry_after_seconds = failure.retry_after_seconds
    if retry_after_seconds is None and isinstance(failure, errors.Unavailable):
        retry_after_seconds = _DEFAULT_RETRY_SECONDS
    if retry_after_seconds is not None:
        response.headers["retry-after"] = str(max(1, math.ceil(retry_after_seconds)))
    return response
