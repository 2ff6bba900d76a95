"""Requests and tokens are counted exactly, in one process and in several that share a Valkey."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from vitrail.domain.errors import RateLimited, Unavailable
from vitrail.domain.limits import Limits
from vitrail.service.rate_limits import Counted, RateLimitOptions, RateLimits

TEAM = Counted(("team", "t-1", "m"), "team t-1 and model m", "Your team's", Limits(requests_per_minute=20))
Open = Callable[[], RateLimits]


@pytest.fixture(params=["memory", "valkey"])
async def open_limits(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Return an opener of one set of counters: each call is as another process would open them, if that can be."""
    url = "" if request.param == "memory" else request.getfixturevalue("valkey")()
    opened: list[RateLimits] = []

    def open_one() -> RateLimits:
        if url or not opened:
            opened.append(RateLimits(RateLimitOptions(url=url)))
        return opened[-1]

    yield open_one
    for limits in opened:
        await limits.close()


async def count(limits: RateLimits, counted: Counted) -> str:
    """Count a request; return what came of it."""
    try:
        await limits.count_request(counted)
    except RateLimited as failure:
        return failure.sentence
    return "counted"


async def test_of_many_at_once_exactly_the_limit_is_counted(open_limits: Open) -> None:
    """Sixty requests at the same time over two processes: twenty go through, and the others are told why."""
    one, other = open_limits(), open_limits()
    outcomes = await asyncio.gather(*(count(limits, TEAM) for _ in range(30) for limits in (one, other)))
    assert outcomes.count("counted") == 20
    assert {text.split(" See")[0].split(" An ")[0] for text in outcomes if text != "counted"} == {
        "Too many requests for team t-1 and model m. Your team's rate limit is — "
        "Requests per Minute (actual/limit): 21/20."
    }


async def test_others_have_counters_of_their_own(open_limits: Open) -> None:
    """Another team and another model are not touched by a full one."""
    limits = open_limits()
    full = replace(TEAM, limits=Limits(requests_per_minute=1))
    await limits.count_request(full)
    for names in (("team", "t-2", "m"), ("team", "t-1", "n"), ("key", "t-1")):
        assert (await limits.count_request(replace(full, names=names))).remaining_requests == 0
    with pytest.raises(RateLimited):
        await limits.count_request(full)


async def test_what_is_left_counts_down_and_a_refusal_says_when_to_come_back(open_limits: Open) -> None:
    """The headers of each answer, and those of the 429."""
    limits = open_limits()
    counted = replace(TEAM, limits=Limits(requests_per_minute=2))
    left = [(await limits.count_request(counted)).headers for _ in range(2)]
    assert [headers["x-ratelimit-remaining-requests"] for headers in left] == ["1", "0"]
    with pytest.raises(RateLimited) as refused:
        await limits.count_request(counted)
    assert refused.value.headers == {"x-ratelimit-limit-requests": "2", "x-ratelimit-remaining-requests": "0"}
    assert refused.value.retry_after_seconds is not None and 50 < refused.value.retry_after_seconds <= 61


async def test_the_seconds_limit_is_named_as_such(open_limits: Open) -> None:
    """Ten at once at two a second: at least one is refused by the second, not by the minute."""
    limits = open_limits()
    counted = replace(TEAM, limits=Limits(requests_per_second=2, requests_per_minute=1000))
    outcomes = await asyncio.gather(*(count(limits, counted) for _ in range(10)))
    assert 2 <= outcomes.count("counted") < 10
    assert any("Requests per Second (actual/limit): 3/2." in text for text in outcomes)


async def test_a_window_moves_with_its_requests(open_limits: Open) -> None:
    """What is over a second old does not count any more."""
    limits = open_limits()
    counted = replace(TEAM, limits=Limits(requests_per_second=1))
    assert await count(limits, counted) == "counted"
    deadline = time.monotonic() + 10
    while await count(limits, counted) != "counted":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_tokens_are_reserved_and_corrected(open_limits: Open) -> None:
    """A prompt counts when it is admitted, the answer when it is settled, and what never ran is given back."""
    limits = open_limits()
    counted = replace(TEAM, limits=Limits(tokens_per_minute=16000))
    left = await limits.reserve_tokens(counted, 1792)
    assert (left.limit_tokens, left.remaining_tokens) == (16000, 14208)
    await limits.correct_tokens(counted, 208)
    assert (await limits.reserve_tokens(counted, 1000)).remaining_tokens == 13000
    await limits.correct_tokens(counted, -1000)
    assert (await limits.reserve_tokens(counted, 0)).remaining_tokens == 14000


async def test_a_prompt_that_is_too_much_counts_nothing(open_limits: Open) -> None:
    """65,605 tokens are refused with the recorded text; a smaller prompt still goes through."""
    limits = open_limits()
    counted = replace(TEAM, limits=Limits(tokens_per_minute=16000))
    with pytest.raises(RateLimited, match=r"Too many tokens .* Tokens per Minute \(actual/limit\): 65605/16000\."):
        await limits.reserve_tokens(counted, 65605)
    assert (await limits.reserve_tokens(counted, 16000)).remaining_tokens == 0


async def test_a_minute_without_tokens_is_refused_before_the_work(open_limits: Open) -> None:
    """An answer may go over the limit, since it is counted afterwards; the next request is refused at once."""
    limits = open_limits()
    counted = replace(TEAM, limits=Limits(tokens_per_minute=100))
    await limits.reserve_tokens(counted, 90)
    await limits.correct_tokens(counted, 50)
    with pytest.raises(RateLimited, match="140/100"):
        await limits.check_tokens(counted)


async def test_no_limit_counts_nothing(open_limits: Open) -> None:
    """Without limits there are no headers."""
    limits = open_limits()
    counted = replace(TEAM, limits=Limits())
    assert (await limits.count_request(counted)).headers == {}
    assert (await limits.reserve_tokens(counted, 10)).headers == {}
    await limits.check_tokens(counted)


async def test_a_valkey_that_is_away_refuses_in_words() -> None:
    """Limits that cannot be counted are not passed over: 503, and soon."""
    limits = RateLimits(RateLimitOptions(url="redis://127.0.0.1:9/0", call_seconds=0.5))
    with pytest.raises(Unavailable, match="rate limits cannot be counted"):
        await limits.count_request(TEAM)
    await limits.close()
