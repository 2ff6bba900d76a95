"""What tests of several folders share: the one vLLM of `make test-vllm`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vllm.server import VllmServer


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A running vLLM with the tiny model; starts in about a minute."""
    server = VllmServer(tmp_path_factory.mktemp("vllm"))
    try:
        server.start()
        yield server
    finally:
        server.kill()
