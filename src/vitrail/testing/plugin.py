"""The pytest plugin: `vitrail_server` answers a test's requests from a script. See docs/testing.md.

Loaded at every start of pytest where Vitrail is installed, so it imports nothing heavy: the server's own imports happen
in its process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vitrail.testing.server import VitrailServer

MODELS = ("grok-2-vision-1212", "grok-2-vision", "grok-2-vision-latest")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("vitrail_script", "Script that vitrail_server plays unless a test has its own.", default="")
    parser.addini("vitrail_models", "Model names that vitrail_server answers to.", type="args", default=list(MODELS))
    parser.addini("vitrail_config", "Settings file of the server, instead of vitrail_models.", default="")
    parser.addini("vitrail_grpc", "Whether vitrail_server speaks gRPC for the xAI SDK too.", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    line = "vitrail(script=None, rules=None, strict=False): what vitrail_server plays in this test; a file, or rules."
    config.addinivalue_line("markers", line)


@pytest.fixture(scope="session")
def vitrail_process(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VitrailServer]:
    """A Vitrail server for the whole session (of each xdist worker); its environment is not set here."""
    from vitrail.testing.server import start_server

    config = request.config
    file = config.getini("vitrail_config")
    with start_server(
        tmp_path_factory.mktemp("vitrail"),
        models=tuple(config.getini("vitrail_models")),
        config=config.rootpath / file if file else None,
        grpc=config.getini("vitrail_grpc"),
    ) as server:
        yield server


@pytest.fixture
def vitrail_server(
    request: pytest.FixtureRequest, vitrail_process: VitrailServer, monkeypatch: pytest.MonkeyPatch
) -> VitrailServer:
    """The server with this test's script, an empty log, and the environment that SDKs read pointing to it."""
    vitrail_process.reset()
    marker = request.node.get_closest_marker("vitrail")
    asked = dict(marker.kwargs) if marker else {}
    script, root = asked.pop("script", None), request.config.rootpath
    if script is not None or asked:
        vitrail_process.script(script and _find(Path(script), near=request.path.parent, root=root), **asked)
    elif default := request.config.getini("vitrail_script"):
        vitrail_process.script(root / default)
    for name, value in vitrail_process.environment.items():
        monkeypatch.setenv(name, value)
    return vitrail_process


def _find(script: Path, *, near: Path, root: Path) -> Path:
    """The file that a test names, beside the test or else from the root of the project."""
    return near / script if (near / script).is_file() else root / script
