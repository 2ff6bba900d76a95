"""Failures in Anthropic's shape, for the routes that its SDKs call: the statuses of `errors`, with a type for each."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from vitrail.domain.errors import Failure
from vitrail.http_api.errors import answer_failure, kind_of, utf8_sentence
from vitrail.http_api.wire_anthropic_answer import ErrorAnswer, ErrorDetail

ERROR_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    412: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
}


def render_anthropic_error(failure: Failure) -> ErrorAnswer:
    """Return a failure as the value of a body, or of an event of a stream."""
    return ErrorAnswer(ErrorDetail(type=ERROR_TYPES[kind_of(failure).status], message=utf8_sentence(failure)))


def render_anthropic_failure(failure: Failure) -> Response:
    """Return a failure as the answer to a request."""
    return answer_failure(failure, msgspec.json.encode(render_anthropic_error(failure)))
