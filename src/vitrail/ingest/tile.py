"""Turn the size of an upright picture and its detail into a tile plan: pure integer arithmetic.

Called by prepare, and by the `tokens` command. Knows nothing of bytes, pixels or prices.
"""

from __future__ import annotations

from vitrail.domain.pictures import MAX_TILES, TILE_PX, TOKENS_PER_TILE, Detail, TilePlan

# Every grid of at most six tiles as columns, rows, width and height in pixels; fewest tiles first, so that the first of
# several equally good grids is the cheapest.
_GRIDS = tuple(
    (columns, rows, columns * TILE_PX, rows * TILE_PX)
    for tiles in range(1, MAX_TILES + 1)
    for columns in range(1, tiles + 1)
    for rows in (tiles // columns,)
    if columns * rows == tiles
)


def plan_tiles(width_px: int, height_px: int, detail: Detail) -> TilePlan:
    """Return the grid that keeps the most of the picture's own pixels, fewer tiles on a tie, and what it costs.

    The picture is fitted inside the grid with its aspect kept and is never enlarged. One side of a fitted picture that
    was scaled is the grid's own; the other is rounded to the nearest pixel, half up, and is at least 1 px.
    """
    if width_px < 1 or height_px < 1:
        raise ValueError(f"a picture has at least one pixel, not {width_px} x {height_px}")
    if detail is Detail.LOW:
        fitted_width_px, fitted_height_px = fit_inside(width_px, height_px, TILE_PX, TILE_PX)
        return TilePlan(0, 0, fitted_width_px, fitted_height_px, TOKENS_PER_TILE)
    columns, rows = _choose_grid(width_px, height_px)
    fitted_width_px, fitted_height_px = fit_inside(width_px, height_px, columns * TILE_PX, rows * TILE_PX)
    return TilePlan(columns, rows, fitted_width_px, fitted_height_px, (columns * rows + 1) * TOKENS_PER_TILE)


def fit_inside(width_px: int, height_px: int, box_width_px: int, box_height_px: int) -> tuple[int, int]:
    """Return the size of a picture scaled down, never up, to lie inside a box with its aspect kept."""
    if width_px <= box_width_px and height_px <= box_height_px:
        return width_px, height_px
    if box_width_px * height_px <= box_height_px * width_px:  # the width is what limits
        return box_width_px, max(1, _round_half_up(height_px * box_width_px, width_px))
    return max(1, _round_half_up(width_px * box_height_px, height_px)), box_height_px


def _choose_grid(width_px: int, height_px: int) -> tuple[int, int]:
    columns, rows = -(-width_px // TILE_PX), -(-height_px // TILE_PX)
    if columns * rows <= MAX_TILES:  # fits at its own size, and any smaller grid would shrink it
        return columns, rows
    # The scale is min(1, grid width / width, grid height / height); times width x height it is a whole number, so
    # grids are compared exactly. Here no grid holds the picture at its own size, so the 1 never is the least.
    best, most_kept = (1, 1), 0
    for columns, rows, grid_width_px, grid_height_px in _GRIDS:
        kept = min(grid_width_px * height_px, grid_height_px * width_px)
        if kept > most_kept:
            best, most_kept = (columns, rows), kept
    return best


def _round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
