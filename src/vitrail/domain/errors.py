"""Everything that can go wrong for a client, as one tree; raised anywhere, rendered by a surface's own table.

Failure
├── InvalidArgument          understood and refused: bad image, bad data URI, a value over its limit
│   ├── MalformedBody        the body is not JSON, or not UTF-8
│   ├── IncorrectApiKey      a key that does not exist
│   └── ContextTooLong       text and image tokens over the model's context window
├── ShapeMismatch            JSON of another shape than the endpoint takes
├── MissingCredentials       no key was sent
├── PermissionDenied         the key is blocked, or its ACL does not name the model or endpoint
├── NotFound                 no such thing, or none that this key may see
│   ├── UnknownModel
│   └── UnknownRoute
├── WrongMethod              the route exists, the method does not
├── BodyTooLarge             the whole request body is over its cap
├── UnsupportedMedia         an empty body, or one that is not application/json
├── RequestTimedOut          the client sent its request too slowly
├── ImageFetchFailed         an allowed URL did not give a JPEG or PNG
├── RateLimited              too many requests or tokens
│   └── OutOfCredits         no credits left, or the spending limit reached
├── Unavailable              the engine is down or busy; try again later
│   └── Stopping             this server was told to stop; another one may answer
└── InternalFailure          our own fault; says nothing about the inside

A leaf's docstring is its default message. `where` is the path of the offending value in the request
(`messages[0].content[1].image_url.url`); `hint` says what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_RESTART_SECONDS = 5.0  # after so long another process of this server may answer


class Failure(Exception):
    """Internal error"""

    headers: Mapping[str, str] = MappingProxyType({})  # more of what an HTTP surface sends with it

    def __init__(
        self,
        message: str | None = None,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.where = where
        self.hint = hint
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """Return the message with its place in the request and the hint: `messages[0].content: ... Hint.`"""
        text = f"{self.message} (at {self.where})" if self.where else self.message
        return f"{text} {self.hint}" if self.hint else text


class InvalidArgument(Failure):
    """The request has an argument that cannot be used."""


class MalformedBody(InvalidArgument):
    """The request body is not valid JSON."""


class IncorrectApiKey(InvalidArgument):
    """Incorrect API key provided."""


class ContextTooLong(InvalidArgument):
    """The prompt is longer than the model's context window."""


class ShapeMismatch(Failure):
    """Failed to deserialize the JSON body into the target type."""


class MissingCredentials(Failure):
    """No API key was provided. Send it in the Authorization header as `Bearer <key>`."""


class PermissionDenied(Failure):
    """This API key does not have permission to do that."""


class NotFound(Failure):
    """The requested entity was not found."""


class UnknownModel(NotFound):
    """The model does not exist or your team does not have access to it."""


class UnknownRoute(NotFound):
    """No handler found on route."""


class WrongMethod(Failure):
    """This route does not take that method."""


class BodyTooLarge(Failure):
    """The request body is too large."""


class UnsupportedMedia(Failure):
    """Expected a JSON body with `Content-Type: application/json`."""


class RequestTimedOut(Failure):
    """The request was not received in time."""


class ImageFetchFailed(Failure):
    """Downloaded response does not contain a valid JPG or PNG image."""


class RateLimited(Failure):
    """Too many requests."""


class OutOfCredits(RateLimited):
    """Your team has used all available credits or reached its spending limit."""


class Unavailable(Failure):
    """The service is currently unavailable."""


class Stopping(Unavailable):
    """The server is stopping."""

    def __init__(
        self,
        message: str | None = None,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after_seconds: float | None = _RESTART_SECONDS,
    ) -> None:
        super().__init__(message, where=where, hint=hint, retry_after_seconds=retry_after_seconds)


class InternalFailure(Failure):
    """Internal error"""
