"""The tile rule: its table, and what holds for every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.pictures import TILE_PX, Detail, TilePlan
from vitrail.ingest.tile import fit_inside, plan_tiles

SIDES = st.integers(1, 70_000)
GRIDS = [(columns, rows) for columns in range(1, 7) for rows in range(1, 7) if columns * rows <= 6]


@pytest.mark.parametrize(
    ("size", "grid", "scale", "tokens"),
    [
        ((1, 1), (1, 1), 1, 512),
        ((200, 200), (1, 1), 1, 512),
        ((448, 448), (1, 1), 1, 512),
        ((449, 448), (2, 1), 1, 768),
        ((448, 449), (1, 2), 1, 768),
        ((640, 420), (2, 1), 1, 768),
        ((640, 480), (2, 2), 1, 1280),
        ((896, 448), (2, 1), 1, 768),
        ((897, 448), (3, 1), 1, 1024),
        ((896, 896), (2, 2), 1, 1280),
        ((900, 900), (2, 2), 0.996, 1280),
        ((1000, 500), (3, 2), 1, 1792),
        ((1344, 896), (3, 2), 1, 1792),
        ((1345, 896), (3, 2), 0.999, 1792),
        ((1280, 720), (3, 2), 1, 1792),
        ((1920, 1080), (3, 2), 0.700, 1792),
        ((1080, 1920), (2, 3), 0.700, 1792),
        ((2000, 2000), (2, 2), 0.448, 1280),
        ((4032, 3024), (3, 2), 0.296, 1792),
        ((3024, 4032), (2, 3), 0.296, 1792),
        ((3840, 2160), (3, 2), 0.350, 1792),
        ((2240, 448), (5, 1), 1, 1536),
        ((2688, 448), (6, 1), 1, 1792),
        ((2689, 448), (6, 1), 1.000, 1792),
        ((1000, 5000), (1, 5), 0.448, 1536),
        ((5000, 400), (6, 1), 0.538, 1792),
        ((60000, 1), (6, 1), 0.045, 1792),
        ((1, 60000), (1, 6), 0.045, 1792),
    ],
)
def test_the_table_of_the_tile_rule(size: tuple[int, int], grid: tuple[int, int], scale: float, tokens: int) -> None:
    """Each size of the documented table gets its grid, its scale and its image tokens (I04, I05)."""
    plan = plan_tiles(*size, Detail.HIGH)

    assert (plan.columns, plan.rows, plan.image_tokens) == (*grid, tokens)
    longest = max(size)
    assert max(plan.fitted_width_px, plan.fitted_height_px) / longest == pytest.approx(scale, abs=0.0006)


@pytest.mark.parametrize("side", [447, 448, 449, 896, 897])
@pytest.mark.parametrize("other", [447, 448, 449, 896, 897])
def test_I05_sizes_around_the_tile(side: int, other: int) -> None:
    """A picture that fits whole into at most six tiles gets just those, at its own size."""
    columns, rows = -(-side // TILE_PX), -(-other // TILE_PX)
    plan = plan_tiles(side, other, Detail.AUTO)

    if columns * rows <= 6:
        assert plan == TilePlan(columns, rows, side, other, (columns * rows + 1) * 256)
    else:
        assert (plan.columns, plan.rows) == (2, 2)


@given(SIDES, SIDES)
def test_turning_a_picture_turns_its_plan(width: int, height: int) -> None:
    """A quarter turn swaps columns with rows and width with height, and costs the same."""
    plan, turned = plan_tiles(width, height, Detail.HIGH), plan_tiles(height, width, Detail.HIGH)

    assert (turned.columns, turned.rows) == (plan.rows, plan.columns)
    assert (turned.fitted_width_px, turned.fitted_height_px) == (plan.fitted_height_px, plan.fitted_width_px)
    assert turned.image_tokens == plan.image_tokens


@given(SIDES, SIDES, st.sampled_from(Detail))
def test_a_plan_stays_within_its_bounds(width: int, height: int, detail: Detail) -> None:
    """Nothing is enlarged, nothing leaves the grid, nothing vanishes, and the tokens follow from the tiles."""
    plan = plan_tiles(width, height, detail)

    assert 256 <= plan.image_tokens <= 1792
    assert plan.image_tokens == (plan.tiles + 1) * 256
    assert 1 <= plan.fitted_width_px <= min(width, max(plan.columns, 1) * TILE_PX)
    assert 1 <= plan.fitted_height_px <= min(height, max(plan.rows, 1) * TILE_PX)


@given(SIDES, SIDES)
def test_no_other_grid_keeps_more_of_the_picture(width: int, height: int) -> None:
    """The scale in the chosen grid is the largest there is, and no grid of fewer tiles reaches it."""
    plan = plan_tiles(width, height, Detail.HIGH)

    def kept(columns: int, rows: int) -> int:  # the scale, times width x height
        return min(width * height, columns * TILE_PX * height, rows * TILE_PX * width)

    chosen = kept(plan.columns, plan.rows)
    for grid in GRIDS:
        assert kept(*grid) < chosen or (kept(*grid) == chosen and grid[0] * grid[1] >= plan.tiles)


@given(SIDES, SIDES)
def test_low_detail_is_the_overview_alone(width: int, height: int) -> None:
    """Low detail costs 256 tokens whatever the size, and fits the picture into one tile."""
    plan = plan_tiles(width, height, Detail.LOW)

    assert (plan.columns, plan.rows, plan.image_tokens) == (0, 0, 256)
    assert max(plan.fitted_width_px, plan.fitted_height_px) == min(TILE_PX, max(width, height))


@given(SIDES, SIDES)
def test_auto_counts_as_high(width: int, height: int) -> None:
    """Auto and high give the same plan."""
    assert plan_tiles(width, height, Detail.AUTO) == plan_tiles(width, height, Detail.HIGH)


@given(SIDES, SIDES)
def test_the_guides_division_holds_while_it_fits(width: int, height: int) -> None:
    """As long as ceil(width / 448) x ceil(height / 448) is at most six, that is the grid, at scale 1."""
    columns, rows = -(-width // TILE_PX), -(-height // TILE_PX)
    plan = plan_tiles(width, height, Detail.HIGH)

    if columns * rows <= 6:
        assert (plan.columns, plan.rows) == (columns, rows)
        assert (plan.fitted_width_px, plan.fitted_height_px) == (width, height)
    else:
        assert plan.fitted_width_px == plan.columns * TILE_PX or plan.fitted_height_px == plan.rows * TILE_PX


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 100))
def test_a_larger_picture_of_the_same_shape_never_costs_less(width: int, height: int, factor: int) -> None:
    """Scaling a picture up by a whole factor never lowers the scale's grid below what it needed before."""
    small, large = plan_tiles(width, height, Detail.HIGH), plan_tiles(width * factor, height * factor, Detail.HIGH)

    assert large.fitted_width_px >= small.fitted_width_px
    assert large.fitted_height_px >= small.fitted_height_px


@given(SIDES, SIDES, st.integers(1, 5_000))
def test_a_long_edge_bounds_without_enlarging(width: int, height: int, edge: int) -> None:
    """Fitting into a square keeps the aspect to the nearest pixel and never goes up."""
    fitted = fit_inside(width, height, edge, edge)

    assert max(fitted) == min(edge, max(width, height))
    assert abs(fitted[0] * height - fitted[1] * width) <= max(width, height)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_I06_a_picture_without_pixels_has_no_plan(size: tuple[int, int]) -> None:
    """A size below one pixel is our own mistake by then, not the client's."""
    with pytest.raises(ValueError, match="at least one pixel"):
        plan_tiles(*size, Detail.HIGH)
