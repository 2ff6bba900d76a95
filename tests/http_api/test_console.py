"""The console's files: complete, kept by browsers, and under a policy that lets nothing in from elsewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from vitrail.http_api.console import read_console

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "src" / "vitrail" / "console"


async def test_the_console_opens_without_a_slash(surface):
    """`/console` leads to the page below which relative addresses work."""
    answer = await surface.client.get("/console")
    assert (answer.status_code, answer.headers["location"]) == (307, "console/")
    page = await surface.client.get("/console/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Vitrail console</title>" in page.text


@pytest.mark.parametrize("path", sorted(read_console()))
async def test_every_file_has_its_headers(surface, path):
    """Type, policy, no sniffing, and an ETag that turns the second request into 304 without a body."""
    first = await surface.client.get(f"/console/{path}")
    assert first.status_code == 200 and first.content == (FOLDER / path).read_bytes()
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["cache-control"] == "no-cache"
    policy = first.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"} <= set(policy)
    assert not any("unsafe" in rule for rule in policy)
    again = await surface.client.get(f"/console/{path}", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await surface.client.get(f"/console/{path}", headers={"if-none-match": '"0123456789"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path", ["nothing.js", "__init__.py", "../http_api/docs.html", "%2e%2e/http_api/docs.html", "pages"]
)
async def test_nothing_else_is_served(surface, path):
    """Only what the console consists of, whatever the path says."""
    assert (await surface.client.get(f"/console/{path}")).status_code == 404


def test_nothing_comes_from_elsewhere():
    """No address of another host, no inline script or style: the policy would stop them."""
    for path, file in read_console().items():
        text = file.content.decode()
        found = re.findall(r"""(?:src|href|from|import|url)\s*[=(]?\s*["'(]?https?://[^"')\s]+""", text)
        assert not found, path
        if path.endswith(".html"):
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", text)


def test_a_wheel_has_every_file():
    """Every file of the console matches a pattern of the package's data."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["vitrail"]
    data = {match for pattern in patterns for match in (ROOT / "src" / "vitrail").glob(pattern)}
    assert {FOLDER / path for path in read_console()} <= data
