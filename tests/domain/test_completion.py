"""Folding a stream gives the plain answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.completion import Chunk, CompletionHead, FinishReason, Usage, fold_chunks
from vitrail.domain.models import Prices
from vitrail.domain.settlement import count_cost

HEAD = CompletionHead(id="i", created=1, model="m", system_fingerprint="fp_0123456789")


def test_choices_are_told_apart_and_sorted() -> None:
    """Chunks of two choices that come mixed fold into two choices, each with its own text and reason."""
    usage = Usage(text_tokens=3, image_tokens=512, completion_tokens=2)
    chunks = [
        Chunk(index=1, usage=usage, text="b"),
        Chunk(index=0, usage=usage, text="a"),
        Chunk(index=0, usage=usage, finish_reason=FinishReason.LENGTH),
        Chunk(index=1, usage=usage, text="B", finish_reason=FinishReason.STOP),
    ]
    folded = fold_chunks(HEAD, chunks, prompt=Usage(text_tokens=3, image_tokens=512))
    assert [(c.index, c.text, c.finish_reason) for c in folded.choices] == [
        (0, "a", FinishReason.LENGTH),
        (1, "bB", FinishReason.STOP),
    ]
    assert folded.usage == usage


def test_total_tokens_count_reasoning_beside_completion() -> None:
    """Total is prompt + completion + reasoning, the opposite of OpenAI's rule, as recorded of the real API."""
    usage = Usage(text_tokens=447, image_tokens=256, completion_tokens=4, reasoning_tokens=250)
    assert (usage.prompt_tokens, usage.total_tokens) == (703, 957)


counts = st.integers(0, 10**6)


@given(usage=st.builds(Usage, counts, counts, counts, counts, counts), price=st.integers(0, 10**6))
def test_equal_prices_cost_every_token_once(usage: Usage, price: int) -> None:
    """With one price for all, the cost is that price times the total tokens: nothing is counted twice or lost."""
    prices = Prices(prompt_text=price, prompt_image=price, cached_prompt_text=price, completion_text=price)
    assert count_cost(usage, prices).total_ticks == price * usage.total_tokens


def test_a_million_tokens_cost_what_the_price_list_says() -> None:
    """20000 cents per 10^8 tokens are 2 USD per million, which is 2 x 10^10 ticks."""
    usage = Usage(text_tokens=1_000_000, image_tokens=0)
    assert count_cost(usage, Prices(prompt_text=20000)).total_ticks == 2 * 10**10
