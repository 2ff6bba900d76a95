"""Engines and prompts for the tests of engines; the language models are real and tiny, their words noise."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.engines.other_server import OtherServer
from tests.vllm.server import KEY, MODEL, VllmServer
from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart
from vitrail.domain.pictures import Picture, PreparedImage, TilePlan
from vitrail.engines.base import Engine, Piece, Prompt, PromptMessage
from vitrail.engines.facts.engine import FactsEngine
from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.facts.perceive import Senses, open_senses, perceive
from vitrail.engines.facts.sheet import FactSheet
from vitrail.engines.facts.worker import Perception
from vitrail.engines.llama.engine import LlamaEngine
from vitrail.engines.llama.options import LlamaOptions
from vitrail.engines.memory_budget import MemoryBudget
from vitrail.engines.on_demand import OnDemand
from vitrail.engines.scripted import ScriptedEngine
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.upstream import UpstreamEngine
from vitrail.engines.upstream_options import UpstreamOptions

FIXTURES = Path(__file__).parent.parent / "fixtures"


@dataclass(frozen=True)
class TinyVlm:
    """Paths of the tiny random vision-language model."""

    gguf: Path
    mmproj: Path


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory) -> TinyVlm:
    """The tiny model, written once per session (and test process)."""
    folder = tmp_path_factory.mktemp("tiny-vlm")
    subprocess.run([sys.executable, FIXTURES / "tiny_vlm.py", folder], check=True)
    return TinyVlm(folder / "tiny-lm.gguf", folder / "tiny-mmproj.gguf")


@pytest.fixture
def llama_options() -> LlamaOptions:
    """Options for the tiny model: no cache, so that answers repeat, and quick restarts."""
    return LlamaOptions(
        context_tokens=4096,
        parallel=2,
        threads=1,
        prompt_cache=False,
        prompt_cache_mib=0,
        warmup=False,
        restart_first_seconds=0.3,
    )


@pytest.fixture
async def llama(tiny_vlm: TinyVlm, llama_options: LlamaOptions) -> AsyncIterator[LlamaEngine]:
    """A started llama engine with the tiny model in a child process of its own."""
    engine = LlamaEngine(llama_options, tiny_vlm.gguf, tiny_vlm.mmproj)
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture
async def on_demand_llama(tiny_vlm: TinyVlm, llama_options: LlamaOptions) -> AsyncIterator[OnDemand]:
    """A llama engine within a memory budget, started and not yet loaded."""
    engine = LlamaEngine(llama_options, tiny_vlm.gguf, tiny_vlm.mmproj)
    budget = MemoryBudget(1000, wait_seconds=20, queue=64)
    on_demand = OnDemand(engine, budget, name="tiny", needed_bytes=1000, hold_seconds=0.05)
    await engine.inspect()
    yield on_demand
    await on_demand.close()


@pytest.fixture
async def thinking_llama(tmp_path: Path, llama_options: LlamaOptions) -> AsyncIterator[LlamaEngine]:
    """A started llama engine whose chat template begins every answer with a thought."""
    command = [sys.executable, FIXTURES / "tiny_vlm.py", tmp_path, "--thinking"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    engine = LlamaEngine(llama_options, tmp_path / "tiny-lm.gguf")
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture
async def server() -> AsyncIterator[OtherServer]:
    """A server behind `upstream` that runs, with nothing to say yet."""
    server = OtherServer()
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def upstream_llama(llama: LlamaEngine) -> AsyncIterator[UpstreamEngine]:
    """A started upstream engine that asks a real llama-server: the child of the llama engine."""
    child = llama._supervisor.child
    assert child is not None
    engine = UpstreamEngine(
        UpstreamOptions(), base_url=f"{child.url}/v1", model="tiny", key=child.key, kind=ServerKind.LLAMA_SERVER
    )
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture
async def upstream_vllm(vllm_server: VllmServer) -> AsyncIterator[UpstreamEngine]:
    """A started upstream engine that asks the vLLM of `make test-vllm`."""
    engine = UpstreamEngine(
        UpstreamOptions(), base_url=vllm_server.base_url, model=MODEL, key=KEY, kind=ServerKind.VLLM
    )
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedEngine]:
    """A started scripted engine without a script."""
    engine = ScriptedEngine()
    await engine.start()
    yield engine
    await engine.close()


class LocalPerception(Perception):
    """The real senses, in this process: what the worker processes of the facts engine do, without starting them."""

    def __init__(self, senses: Senses) -> None:
        super().__init__(FactsOptions())
        self._senses = senses

    @property
    def is_ready(self) -> bool:
        """The models are loaded."""
        return True

    async def start(self) -> None:
        """Nothing to start."""

    async def look(self, image: PreparedImage) -> FactSheet:
        """Look at the picture here and now."""
        picture = image.picture
        pixels = np.frombuffer(picture.rgb, np.uint8).reshape(picture.height_px, picture.width_px, 3)
        return await asyncio.to_thread(perceive, pixels, self._senses)


@pytest.fixture(scope="session")
def real_senses() -> Senses:
    """The perception models, loaded once."""
    return open_senses(threads=1)


@pytest.fixture
async def facts(real_senses: Senses) -> AsyncIterator[FactsEngine]:
    """A started facts engine: real perception, and the scripted engine as its language model."""
    engine = FactsEngine(ScriptedEngine(), perception=LocalPerception(real_senses))
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture
def draw() -> Callable[..., PreparedImage]:
    """Makes a prepared image of one colour."""

    def draw_one(width_px: int = 448, height_px: int = 448, rgb: bytes = b"\xff\x00\x00") -> PreparedImage:
        plan = TilePlan(columns=1, rows=1, fitted_width_px=width_px, fitted_height_px=height_px, image_tokens=512)
        picture = Picture(width_px, height_px, rgb * (width_px * height_px))
        return PreparedImage(picture=picture, plan=plan, content_hash=f"{width_px}x{height_px}-{rgb.hex()}")

    return draw_one


@pytest.fixture
def ask() -> Callable[..., Prompt]:
    """Makes a prompt of one user message out of texts and images."""

    def ask_one(*parts: str | PreparedImage, **options: object) -> Prompt:
        content = tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
        return Prompt((PromptMessage(Role.USER, content),), **options)

    return ask_one


@pytest.fixture
def ask_for_long(ask: Callable[..., Prompt]) -> Prompt:
    """A prompt whose answer cannot end before it is long: 1900 digits in JSON, about two seconds for the tiny model.

    No long string: not all bytes of a random model are UTF-8, and llama.cpp ends such an answer with an error.
    """
    digits = {"type": "array", "items": {"enum": [1, 2]}, "minItems": 1900, "maxItems": 1900}
    return ask("Tell me a long story", response_format=JsonFormat(json.dumps(digits)))


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Waits until something outside of this process has come about; the test's own limit ends a wait in vain."""

    async def wait_until(is_so: Callable[[], Awaitable[bool]]) -> None:
        while not await is_so():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.005)

    return wait_until


@pytest.fixture
def collect() -> Callable[..., object]:
    """Returns every piece of one answer."""

    async def collect_pieces(engine: Engine, prompt: Prompt, sampling: Sampling | None = None) -> list[Piece]:
        return [piece async for piece in engine.generate(prompt, sampling or Sampling(max_tokens=8, temperature=0))]

    return collect_pieces
