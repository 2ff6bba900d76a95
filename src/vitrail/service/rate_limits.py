"""Count requests and tokens against limits, in memory or in a Valkey that all processes share.

Called by `admission` alone. Requests are counted in a moving window, so no second or minute has more than its limit
where the clocks of all machines agree. Tokens are counted in windows of a minute that begin with a first request: what
a prompt has when it is admitted, the answer's when it is settled. Knows nothing of keys, models or money: whoever asks
names who is counted.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.errors import RateLimited, Unavailable
from vitrail.domain.limits import Allowance, Limits

if TYPE_CHECKING:
    from valkey.asyncio import ConnectionPool

_HINT = "An operator of this server can raise it: see docs/accounts.md."


class RateLimitOptions(BaseModel):
    """Where requests and tokens are counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "", description="valkey:// or redis:// URL of what several processes count in; empty counts in this process."
    )
    call_seconds: float = Field(2.0, gt=0, description="Longest wait for it; then requests are refused with 503.")


@dataclass(frozen=True, slots=True)
class Counted:
    """Who falls under limits: `names` tell the counters apart, `whose` says it in words ("team 1 and model m")."""

    names: tuple[str, ...]
    whose: str
    owner: str
    limits: Limits


class RateLimits:
    """The counters. Raises RateLimited with the recorded text, Unavailable when the counters cannot be reached."""

    def __init__(self, options: RateLimitOptions, *, now: Callable[[], float] = time.time) -> None:
        self._pool = _open_pool(options) if options.url else None
        self._storage = _open_storage(self._pool)
        self._requests = MovingWindowRateLimiter(self._storage)
        self._now = now
        self._log = structlog.get_logger("vitrail.rate_limits")

    async def close(self) -> None:
        """Drop the connections to a Valkey; safe to call twice."""
        if self._pool is not None:
            await self._pool.aclose()

    async def count_request(self, counted: Counted) -> Allowance:
        """Count one request in every window; nothing is counted where one of them is full."""
        windows = [
            (RateLimitItemPerSecond(limit) if unit == "Second" else RateLimitItemPerMinute(limit), unit)
            for unit, limit in (
                ("Second", counted.limits.requests_per_second),
                ("Minute", counted.limits.requests_per_minute),
            )
            if limit is not None
        ]
        allowance = Allowance()
        async with self._reached():
            for window, unit in windows[1:]:  # so that a full minute takes nothing from the second
                if not await self._requests.test(window, *counted.names):
                    raise await self._too_many_requests(counted, window, unit)
            for window, unit in windows:
                if not await self._requests.hit(window, *counted.names):
                    raise await self._too_many_requests(counted, window, unit)
                _, remaining = await self._requests.get_window_stats(window, *counted.names)
                allowance = Allowance(limit_requests=window.amount, remaining_requests=remaining)
        return allowance

    async def check_tokens(self, counted: Counted) -> None:
        """Refuse before any work where the window's tokens are used up."""
        limit = counted.limits.tokens_per_minute
        if limit is None:
            return
        window = RateLimitItemPerMinute(limit)
        async with self._reached():
            used_tokens = await self._storage.get(_token_key(window, counted))
            if used_tokens >= limit:
                raise await self._too_many_tokens(counted, window, used_tokens)

    async def reserve_tokens(self, counted: Counted, tokens: int) -> Allowance:
        """Count a prompt's tokens and return what is left; a prompt that is too much counts nothing."""
        limit = counted.limits.tokens_per_minute
        if limit is None:
            return Allowance()
        window = RateLimitItemPerMinute(limit)
        async with self._reached():
            used_tokens = await self._storage.incr(_token_key(window, counted), window.get_expiry(), amount=tokens)
            if used_tokens > limit:
                await self._storage.incr(_token_key(window, counted), window.get_expiry(), amount=-tokens)
                raise await self._too_many_tokens(counted, window, used_tokens)
        return Allowance(limit_tokens=limit, remaining_tokens=limit - used_tokens)

    async def correct_tokens(self, counted: Counted, tokens: int) -> None:
        """Count more tokens (or, below zero, fewer) of a request that was admitted; never refuses."""
        limit = counted.limits.tokens_per_minute
        if limit is None or not tokens:
            return
        window = RateLimitItemPerMinute(limit)
        try:
            key = _token_key(window, counted)
            if tokens > 0 or await self._storage.get(key) >= -tokens:  # a window that is over has nothing to give back
                await self._storage.incr(key, window.get_expiry(), amount=tokens)
        except StorageError as error:
            self._log.error("tokens not counted", tokens=tokens, error=type(error.storage_error).__name__)

    async def _too_many_requests(self, counted: Counted, window: RateLimitItem, unit: str) -> RateLimited:
        reset, remaining = await self._requests.get_window_stats(window, *counted.names)
        actual = window.amount - remaining + 1
        numbers = f"Requests per {unit} (actual/limit): {actual}/{window.amount}"
        left = Allowance(limit_requests=window.amount, remaining_requests=remaining)
        return self._refusal("requests", counted, numbers, left, reset)

    async def _too_many_tokens(self, counted: Counted, window: RateLimitItem, actual: int) -> RateLimited:
        reset = await self._storage.get_expiry(_token_key(window, counted))
        numbers = f"Tokens per Minute (actual/limit): {actual}/{window.amount}"
        left = Allowance(limit_tokens=window.amount, remaining_tokens=max(0, window.amount - actual))
        return self._refusal("tokens", counted, numbers, left, reset)

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[None]:
        try:
            yield
        except StorageError as error:
            self._log.error("rate limits not reached", error=type(error.storage_error).__name__)
            raise Unavailable(
                "The service is currently unavailable: rate limits cannot be counted.", retry_after_seconds=1
            ) from error

    def _refusal(self, what: str, counted: Counted, numbers: str, left: Allowance, reset: float) -> RateLimited:
        refusal = RateLimited(
            f"Too many {what} for {counted.whose}. {counted.owner} rate limit is — {numbers}.",
            hint=_HINT,
            retry_after_seconds=max(1.0, reset - self._now()),
        )
        refusal.headers = left.headers
        return refusal


def _token_key(window: RateLimitItem, counted: Counted) -> str:
    return window.key_for(*counted.names, "tokens")


def _open_pool(options: RateLimitOptions) -> ConnectionPool:
    """Return connections to a Valkey or Redis, none of them made yet; raises Unavailable without the client."""
    try:
        from valkey.asyncio import BlockingConnectionPool
    except ImportError as error:
        raise Unavailable(
            "Counting rate limits in Valkey needs a client that is not installed.",
            hint="Install it with `pip install 'vitrail[valkey]'`.",
        ) from error
    url = options.url.replace("redis", "valkey", 1) if options.url.startswith("redis") else options.url
    return BlockingConnectionPool.from_url(
        url,
        timeout=options.call_seconds,
        socket_timeout=options.call_seconds,
        socket_connect_timeout=options.call_seconds,
    )


def _open_storage(pool: ConnectionPool | None) -> MemoryStorage | RedisStorage:
    if pool is None:
        return MemoryStorage(wrap_exceptions=True)
    options: dict[str, Any] = {"connection_pool": pool}
    return RedisStorage(
        "async+valkey://", wrap_exceptions=True, implementation="valkey", key_prefix="vitrail", **options
    )
