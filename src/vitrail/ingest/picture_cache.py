"""Keep the latest prepared pictures, bounded in bytes. Called by prepare; teams share nothing, as a key names one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from vitrail.domain.pictures import PreparedImage, TilePlan


@dataclass(frozen=True, slots=True)
class PictureKey:
    """What a prepared picture follows from: whose image, its bytes by digest, and the rendition wanted."""

    team_id: str
    digest: str
    plan: TilePlan
    long_edge_px: int | None


class PictureCache:
    """Least recently used pictures go first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pictures: OrderedDict[PictureKey, PreparedImage] = OrderedDict()
        self.held_bytes = 0

    def find(self, key: PictureKey) -> PreparedImage | None:
        """Return the picture of a key, or None."""
        image = self._pictures.get(key)
        if image is not None:
            self._pictures.move_to_end(key)
        return image

    def keep(self, key: PictureKey, image: PreparedImage) -> None:
        """Keep a picture, unless it alone is over the limit; older ones give way."""
        size_bytes = len(image.picture.rgb)
        if size_bytes > self._limit_bytes or key in self._pictures:
            return
        self._pictures[key] = image
        self.held_bytes += size_bytes
        while self.held_bytes > self._limit_bytes:
            _, dropped = self._pictures.popitem(last=False)
            self.held_bytes -= len(dropped.picture.rgb)

    def clear(self) -> None:
        """Forget every picture."""
        self._pictures.clear()
        self.held_bytes = 0
