"""How keys are masked, redacted and hashed."""

from __future__ import annotations

import pytest

from vitrail.domain.keys import hash_key, mask_key, redact_key


def test_wrong_key_is_masked_as_recorded() -> None:
    """First two characters, three stars, last two."""
    assert mask_key("invalid-key") == "in***ey"


@pytest.mark.parametrize("short", ["", "a", "ab", "abc"])
def test_short_key_is_masked_whole(short: str) -> None:
    """A key too short to hide anything is not shown at all."""
    assert mask_key(short) == "***"


def test_redacted_key_shows_its_end_only() -> None:
    """Lists show the prefix and the last four characters."""
    assert redact_key("xai-abcdefgb14o") == "xai-...b14o"


def test_t06_odd_characters_can_be_hashed() -> None:
    """A lone surrogate or control characters in a key give a digest, not an exception."""
    assert len(hash_key("\ud800' OR pg_sleep(8)--\x00")) == 64
