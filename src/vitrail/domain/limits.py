"""Rate limits as values: how many requests and tokens may come in a window, and how much of that is left."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_LIMIT = 2**31 - 1  # the store has 32 bits for each


@dataclass(frozen=True, slots=True)
class Limits:
    """Most requests a second and a minute, and most tokens a minute; None is no limit."""

    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def is_unlimited(self) -> bool:
        """Tell whether there is no limit at all."""
        return self == NO_LIMITS

    def over(self, other: Limits) -> Limits:
        """Return these limits, with those of `other` where this has none."""
        return Limits(
            _first(self.requests_per_second, other.requests_per_second),
            _first(self.requests_per_minute, other.requests_per_minute),
            _first(self.tokens_per_minute, other.tokens_per_minute),
        )


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a request left of the limits that it fell under; None where there is none."""

    limit_requests: int | None = None
    remaining_requests: int | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None

    def tightened(self, other: Allowance) -> Allowance:
        """Return of two allowances, for requests and for tokens, the one that leaves less."""
        requests = _tighter(
            (self.limit_requests, self.remaining_requests), (other.limit_requests, other.remaining_requests)
        )
        tokens = _tighter((self.limit_tokens, self.remaining_tokens), (other.limit_tokens, other.remaining_tokens))
        return Allowance(*requests, *tokens)

    @property
    def headers(self) -> dict[str, str]:
        """Return the `x-ratelimit-*` headers of the real API."""
        named = {
            "x-ratelimit-limit-requests": self.limit_requests,
            "x-ratelimit-remaining-requests": self.remaining_requests,
            "x-ratelimit-limit-tokens": self.limit_tokens,
            "x-ratelimit-remaining-tokens": self.remaining_tokens,
        }
        return {name: str(number) for name, number in named.items() if number is not None}


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


UNCOUNTED = Allowance()

_Window = tuple[int | None, int | None]  # limit, remaining


def _tighter(one: _Window, other: _Window) -> _Window:
    if one[1] is None or other[1] is None:
        return other if one[1] is None else one
    return min(one, other, key=lambda window: window[1] or 0)
