"""Failures as gRPC shows them: one table from kind to status code, and the sentence as the details.

The sentences are those of REST. UNAVAILABLE is what the xAI SDK retries on its own.
"""

from __future__ import annotations

import math

from grpc import StatusCode

from vitrail.domain import errors

STATUSES: dict[type[errors.Failure], StatusCode] = {
    errors.Failure: StatusCode.INTERNAL,
    errors.InvalidArgument: StatusCode.INVALID_ARGUMENT,
    errors.MalformedBody: StatusCode.INVALID_ARGUMENT,
    errors.IncorrectApiKey: StatusCode.UNAUTHENTICATED,
    errors.ContextTooLong: StatusCode.INVALID_ARGUMENT,
    errors.ShapeMismatch: StatusCode.INVALID_ARGUMENT,
    errors.MissingCredentials: StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: StatusCode.PERMISSION_DENIED,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.UnknownModel: StatusCode.NOT_FOUND,
    errors.UnknownRoute: StatusCode.UNIMPLEMENTED,
    errors.WrongMethod: StatusCode.UNIMPLEMENTED,
    errors.RequestTimedOut: StatusCode.DEADLINE_EXCEEDED,
    errors.ImageFetchFailed: StatusCode.DATA_LOSS,
    errors.BodyTooLarge: StatusCode.RESOURCE_EXHAUSTED,
    errors.UnsupportedMedia: StatusCode.INVALID_ARGUMENT,
    errors.RateLimited: StatusCode.RESOURCE_EXHAUSTED,
    errors.OutOfCredits: StatusCode.RESOURCE_EXHAUSTED,
    errors.InternalFailure: StatusCode.INTERNAL,
    errors.Unavailable: StatusCode.UNAVAILABLE,
    errors.Stopping: StatusCode.UNAVAILABLE,
}
_LONGEST_DETAILS = 1500  # characters; details travel in a header
_LONGEST_PUSHBACK_SECONDS = 30.0


class NotOffered(errors.WrongMethod):
    """This server does not offer that method."""


def status_of(failure: errors.Failure) -> StatusCode:
    """Return the status of a failure, by the nearest class of its tree that the table names."""
    return next(STATUSES[cls] for cls in type(failure).__mro__ if cls in STATUSES)


def render_details(failure: errors.Failure) -> str:
    """Return what a failure says, without what UTF-8 cannot hold."""
    return failure.sentence.encode("utf-8", "replace").decode("utf-8")[:_LONGEST_DETAILS]


def render_trailers(failure: errors.Failure) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a refusal: what REST has in headers, and for channels that retry the wait in ms."""
    named = tuple((name.lower(), value) for name, value in failure.headers.items())
    seconds = failure.retry_after_seconds
    if seconds is None:
        return named
    pushback_ms = round(min(seconds, _LONGEST_PUSHBACK_SECONDS) * 1000)
    return (*named, ("retry-after", str(max(1, math.ceil(seconds)))), ("grpc-retry-pushback-ms", str(pushback_ms)))
