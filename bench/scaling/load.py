"""The load that is planned for: kinds of images, and what a GPU replica does with them. Knows no costs of Vitrail's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vitrail.domain.pictures import Detail
from vitrail.ingest.tile import plan_tiles

TEXT_TOKENS, COMPLETION_TOKENS = 60, 120


@dataclass(frozen=True, slots=True)
class Shot:
    """A kind of image in the load: its share and size."""

    name: str
    share: float
    width_px: int
    height_px: int

    @property
    def image_tokens(self) -> int:
        """Return what the tile rule bills, and an InternVL-style engine about uses."""
        return plan_tiles(self.width_px, self.height_px, Detail.HIGH).image_tokens


MIX = (
    Shot("screenshot crop", 0.4, 640, 480),
    Shot("web photo", 0.4, 1632, 1224),
    Shot("phone photo", 0.2, 4032, 3024),
)


@dataclass(frozen=True, slots=True)
class Gpu:
    """What one replica of a vision model gives; fill in what your own server shows. These are round numbers."""

    prompt_tokens_per_second: float = 20_000.0
    completion_tokens_per_second: float = 2_500.0  # over all answers that run together
    answer_tokens_per_second: float = 80.0  # of one answer, however idle the replica is
    slots: int = 64

    def busy_seconds(self, shot: Shot) -> float:
        """Return what one request takes of a whole replica."""
        return self._prompt_seconds(shot) + COMPLETION_TOKENS / self.completion_tokens_per_second

    def idle_seconds(self, shot: Shot) -> float:
        """Return how long a replica takes for one request when it has no other."""
        return self._prompt_seconds(shot) + COMPLETION_TOKENS / self.answer_tokens_per_second

    def _prompt_seconds(self, shot: Shot) -> float:
        return (TEXT_TOKENS + shot.image_tokens) / self.prompt_tokens_per_second


def mean(of: Callable[[Shot], float]) -> float:
    """Return the mean over the mix."""
    return sum(shot.share * of(shot) for shot in MIX)
