"""The error table and its page: every failure has a status, a code and a paragraph."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vitrail.domain import errors
from vitrail.http_api.errors import ERROR_KINDS, MethodRefused, kind_of, render_error_json, render_failure
from vitrail.http_api.errors_anthropic import ERROR_TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()


def tree(root: type[errors.Failure]) -> list[type[errors.Failure]]:
    """Return all classes of the domain's tree of failures."""
    own = [cls for cls in root.__subclasses__() if cls.__module__ == errors.__name__]
    return [root, *(cls for child in own for cls in tree(child))]


def test_the_table_names_every_failure():
    """The table is total over the tree, and names nothing else."""
    assert set(ERROR_KINDS) == set(tree(errors.Failure))


@pytest.mark.parametrize("cls", tree(errors.Failure)[1:], ids=lambda cls: cls.__name__)
def test_the_page_tells_of_every_failure(cls):
    """docs/errors.md has a row for each failure, with its status and its code."""
    kind = ERROR_KINDS[cls]
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{cls.__name__}`" in line]
    assert len(rows) == 1
    assert f"| {kind.status} |" in rows[0] and f"`{kind.code}`" in rows[0]


def test_the_page_has_no_failure_that_does_not_exist():
    """A failure that was removed is removed from the page."""
    named = set(re.findall(r"^\|[^|]*\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    assert named <= {cls.__name__ for cls in tree(errors.Failure)}


def test_the_body_is_flat_and_compact():
    """Two strings, no spaces, as recorded."""
    body = render_error_json(errors.InvalidArgument("No.", where="messages[0]", hint="Try."))
    assert body == b'{"code":"Client specified an invalid argument","error":"No. (at messages[0]) Try."}'


def test_a_subclass_has_the_status_of_its_parent():
    """A failure that a part makes for itself is rendered as its nearest known kind."""
    assert kind_of(MethodRefused(method="PUT", allowed=("GET",))).status == 405


def test_retry_after_is_sent_when_known_and_always_when_unavailable():
    """Seconds are rounded up; Unavailable has at least one."""
    assert render_failure(errors.RateLimited(retry_after_seconds=0.2)).headers["retry-after"] == "1"
    assert render_failure(errors.Unavailable()).headers["retry-after"] == "1"
    assert "retry-after" not in render_failure(errors.RateLimited()).headers


def test_an_unpaired_surrogate_in_a_message_does_not_break_the_answer():
    """Whatever is quoted, the body is UTF-8."""
    assert b"?" in render_error_json(errors.NotFound("\ud800"))


def test_the_page_has_the_types_of_anthropics_routes():
    """docs/errors.md lists every status of the second table with its type."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \|$", PAGE, flags=re.MULTILINE)
    assert {int(status): kind for kind, statuses in rows for status in statuses.split(",")} == ERROR_TYPES
