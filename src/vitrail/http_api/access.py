"""Find the API key in a request's headers; a key in a query string is never looked at."""

from __future__ import annotations

from starlette.datastructures import Headers


def find_secret(headers: Headers) -> str | None:
    """Return what stands after `Bearer` in Authorization, or else in X-Api-Key."""
    scheme, _, secret = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return headers.get("x-api-key", "").strip() or None
