"""Images as values: what the client wrote, what was measured of it, and the pixels an engine may trust."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

TILE_PX = 448
TOKENS_PER_TILE = 256
MAX_TILES = 6


class Detail(StrEnum):
    """How closely the client wants a picture looked at; `auto` counts as `high`."""

    AUTO = "auto"
    LOW = "low"
    HIGH = "high"


class ImageFormat(StrEnum):
    """The image formats accepted, decided by the bytes and never by a declared type."""

    JPEG = "jpeg"
    PNG = "png"


@dataclass(frozen=True, slots=True)
class ImageReference:
    """What the client wrote for one image: a data URI or an http(s) URL.

    `url` is read-only UTF-8, unescaped (a view into the request body where possible, since a data URI is megabytes).
    """

    url: memoryview = field(repr=False)
    detail: Detail
    where: str  # path in the request, such as messages[0].content[1].image_url.url


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How a picture is cut into 448 px tiles: columns x rows of the fitted picture plus one overview tile.

    `fitted_width_px` x `fitted_height_px` is the picture scaled down (never up) to fit the grid, aspect kept. With
    `detail: low` there is no grid (columns = rows = 0) and the fitted picture is the overview itself.
    """

    columns: int
    rows: int
    fitted_width_px: int
    fitted_height_px: int
    image_tokens: int

    @property
    def tiles(self) -> int:
        """Return the number of grid tiles, the overview not counted."""
        return self.columns * self.rows


@dataclass(frozen=True, slots=True)
class MeasuredImage:
    """An image whose bytes are here and whose header was read; no pixel was decoded yet.

    Sizes are of the upright picture: EXIF orientation (1-8) is already applied to width and height.
    """

    data: bytes = field(repr=False)
    format: ImageFormat
    width_px: int
    height_px: int
    orientation: int
    plan: TilePlan
    where: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded, checked, upright pixels: 8-bit RGB, rows top to bottom, 3 x width_px x height_px bytes, no padding."""

    width_px: int
    height_px: int
    rgb: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SentImage:
    """Marks of an image as it was sent, to tell it from others: the digest of the file's bytes and the upright size."""

    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture with its tile plan; `content_hash` names pixels, plan and team, so it may key an engine's cache."""

    picture: Picture
    plan: TilePlan
    content_hash: str
    sent: SentImage | None = None  # None where no client sent it

    @property
    def image_tokens(self) -> int:
        """Return the tokens that this image is billed."""
        return self.plan.image_tokens
