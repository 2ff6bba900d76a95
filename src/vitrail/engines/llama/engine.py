"""The llama engine: any GGUF model, with pictures if it has a projector, by llama.cpp in a supervised child process.

Made by registry. Speaks to the child over loopback HTTP with a random key. Pictures go to it in memory files; those for
which there is none go in the request, as PNG.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import ContextTooLong, InvalidArgument, Unavailable
from vitrail.domain.pictures import PreparedImage
from vitrail.engines.base import Capabilities, FinishPiece, Health, Piece, Prompt, Token
from vitrail.engines.digests import read_digest
from vitrail.engines.forced_tools import force_tools, plan_sampling, read_calls
from vitrail.engines.llama.gguf_header import Vocabulary, read_vocabulary
from vitrail.engines.llama.link import Link
from vitrail.engines.llama.markers import Neutraliser
from vitrail.engines.llama.memory_files import Lend, MemoryFiles
from vitrail.engines.llama.options import LlamaOptions
from vitrail.engines.llama.process import Child, start_child
from vitrail.engines.llama.supervisor import Supervisor, Watchdog
from vitrail.engines.openai_client import Stalled
from vitrail.engines.openai_wire import Json, Rendering, render_chat
from vitrail.engines.picture_format import PictureFormat
from vitrail.engines.pictures import render_data_uri

COUNT_PATH = "/v1/chat/completions/input_tokens"
MEMORY_FILES = 64  # at once; each is an open file of ours
RANDOM_SEED = 0xFFFFFFFF  # what llama.cpp takes as "choose one"
ONE_PIXEL_BMP = "data:image/bmp;base64,Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAAAAAAAA=="


class LlamaEngine:
    """Generates with the GGUF model at `gguf`; takes pictures if `mmproj`, its projector, is given."""

    def __init__(
        self, options: LlamaOptions, gguf: Path, mmproj: Path | None = None, *, memory_files: int = MEMORY_FILES
    ) -> None:
        self._options = options
        self._gguf = gguf
        self._mmproj = mmproj
        watchdog = Watchdog(self._probe, pause_seconds=options.probe_seconds)
        self._supervisor = Supervisor(self._spawn, options.pauses, watchdog=watchdog)
        self._link: Link | None = None
        self._files = MemoryFiles(memory_files if mmproj is not None else 0)
        self._room = asyncio.Semaphore(options.parallel)  # who waits inside llama.cpp would look like a hung child
        self._capabilities = Capabilities(images=mmproj is not None, logprobs=True, structured=True, tools=True)
        self._has_template_tools = False
        self._fingerprint = ""
        self._read_state: tuple[tuple[int, int], ...] = ()
        self._media_marker = ""
        self._vocabulary = Vocabulary((), 0)
        self._plain = Neutraliser(())

    @property
    def capabilities(self) -> Capabilities:
        """Return what the loaded model can do."""
        return self._capabilities

    @property
    def fingerprint(self) -> str:
        """Return text over llama.cpp's version, the bytes of the weights and the options that change answers."""
        return self._fingerprint

    @property
    def parallel(self) -> int:
        """Return how many generations run at once."""
        return self._options.parallel

    @property
    def restarts(self) -> int:
        """Return how often the child was started again."""
        return self._supervisor.restarts

    @property
    def pid(self) -> int | None:
        """Return the child's process id, while one is ready."""
        return self._supervisor.child.pid if self._supervisor.child else None

    @property
    def child_key(self) -> str | None:
        """Return the key that the child asks for, while one is ready."""
        return self._supervisor.child.key if self._supervisor.child else None

    async def inspect(self) -> None:
        """Learn what the files tell without loading them: the fingerprint; raises Unavailable."""
        await asyncio.to_thread(self._read_files)

    async def start(self) -> None:
        """Load the model in a child process; raises Unavailable that names the file at fault, for the operator."""
        await self._supervisor.start()

    async def close(self) -> None:
        """End the child process; generations in flight fail with Unavailable."""
        await self._supervisor.close()
        await self._drop_link()
        self._files.close()

    async def health(self) -> Health:
        """Return whether the child is loaded and alive."""
        child = self._supervisor.child
        if child is None or not child.is_alive:
            return Health(ready=False, detail=f"the engine process is not running; restarts so far: {self.restarts}")
        if self._supervisor.is_silent:
            return Health(ready=False, detail=f"pid {child.pid} does not answer; restarts so far: {self.restarts}")
        return Health(ready=True, detail=f"pid {child.pid}, restarts {self.restarts}")

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of the templated prompt without those that stand for pictures."""
        self._refuse(prompt)
        self._refuse_surely_too_long(prompt)
        if not self._has_template_tools:
            prompt = replace(force_tools(prompt), response_format=None)  # a grammar has no tokens, and takes time
        body = render_chat(prompt, Sampling(), self._rendering(lambda _: ONE_PIXEL_BMP))
        if not prompt.images:  # one call less; it would count pictures too
            return int((await self._call("POST", COUNT_PATH, body))["input_tokens"])
        templated = (await self._call("POST", "/apply-template", body))["prompt"]
        texts = [text for text in templated.split(self._media_marker) if text]
        return len((await self._call("POST", "/tokenize", {"content": texts, "add_special": True}))["tokens"])

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return the tokens of `text`; markers in it are cut as plain text."""
        body = {"content": text, "with_pieces": True, "add_special": False, "parse_special": False}
        tokens = (await self._call("POST", "/tokenize", body))["tokens"]
        return await asyncio.to_thread(_parse_tokens, tokens)  # there may be a million

    async def fetch_slots(self) -> list[Json]:
        """Return what llama.cpp says of each of its native slots, for diagnosis and tests."""
        return [dict(slot) for slot in await self._call("GET", "/slots")]

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of one answer; closing the generator ends the generation in the child."""
        self._refuse(prompt)
        if self._has_template_tools:
            pieces = self._generate(prompt, sampling)
        elif prompt.tools:
            forced = self._generate(force_tools(prompt), plan_sampling(sampling))
            pieces = read_calls(forced, sampling, is_json_reply=prompt.response_format is not None)
        else:
            pieces = self._generate(force_tools(prompt), sampling)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        async with self._room:
            link = self._ready_link()
            views = sum(image.plan.tiles + 1 for image in prompt.images)
            with self._files.lending() as lend:
                body = await asyncio.to_thread(self._render_body, prompt, sampling, lend)
                if link is not self._link:  # the child has ended meanwhile, and what was lent to it was lost
                    raise self._refusal()
                try:
                    async with aclosing(link.stream(body, views=views, top_logprobs=sampling.top_logprobs)) as pieces:
                        async for piece in pieces:
                            yield _without_strange_stop(piece, sampling)
                except Stalled:
                    self._suspect(link)
                    raise

    def _suspect(self, link: Link) -> None:
        """See to it that a child in which a request stalled ends if nothing else gets on in it either."""
        if link.is_stuck:
            self._supervisor.kill(link.child, reason="no answer got on within the limit")
        else:
            self._supervisor.doubt(link.child)

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer of a small call to the child."""
        return await self._ready_link().call(method, path, body)

    def _refuse(self, prompt: Prompt) -> None:
        """Raise InvalidArgument for what this model cannot take, before anything is sent."""
        if prompt.images and not self._capabilities.images:
            raise InvalidArgument("This model takes text only, and the request has images.")

    def _refuse_surely_too_long(self, prompt: Prompt) -> None:
        """Raise ContextTooLong where even the longest tokens would be too many; to count megabytes takes seconds."""
        chars = sum(len(message.text) for message in prompt.messages)
        least_tokens = chars // max(1, self._vocabulary.longest_token_chars)
        if self._vocabulary.longest_token_chars and least_tokens >= self._options.context_tokens:
            raise ContextTooLong(
                f"This model's maximum prompt length is {self._options.context_tokens} but the request contains "
                f"more than {least_tokens} tokens."
            )

    def _ready_link(self) -> Link:
        if self._supervisor.child is None or self._link is None:
            raise self._refusal()
        return self._link

    def _refusal(self) -> Unavailable:
        return Unavailable(retry_after_seconds=max(1.0, self._supervisor.pause_seconds))

    def _render_body(self, prompt: Prompt, sampling: Sampling, lend: Lend) -> bytes:
        """The request to llama.cpp as JSON. Megabytes of pictures are copied, so not for the event loop."""
        child = self._supervisor.child
        reads_files = child is not None and child.reads_memory_files

        def image_url(image: PreparedImage) -> str:
            url = lend(image.picture) if reads_files else None
            return url or render_data_uri(image.picture, PictureFormat.PNG)

        body = render_chat(prompt, sampling, self._rendering(image_url))
        body |= {"cache_prompt": self._options.prompt_cache, "timings_per_token": True, "return_progress": True}
        if sampling.stop:
            body["verbose"] = True  # the last chunk tells which one was met
        if sampling.logprobs:
            body["top_logprobs"] = max(1, sampling.top_logprobs)  # with 0 there are no logprobs at all
        if sampling.seed is not None:
            body["seed"] = sampling.seed % RANDOM_SEED
        return msgspec.json.encode(body)

    def _rendering(self, image_url: Callable[[PreparedImage], str]) -> Rendering:
        return Rendering(image_url=image_url, plain=self._plain)

    async def _spawn(self) -> Child:
        """Return a new child that answers, with `_link` set to speak to it; the files may be others than before."""
        await self._drop_link()
        await asyncio.to_thread(self._read_files)
        planned = self._options.plan_child(self._gguf, self._mmproj, memory_file=self._files.make_probe())
        child = await start_child(planned, deadline_seconds=self._options.start_seconds)
        link = Link(child, self._options)
        try:
            self._learn(await link.call("GET", "/props"))
        except BaseException:
            child.kill()
            await link.close()
            await child.wait()
            raise
        self._link = link
        return child  # at once: until the supervisor has it, nobody else would end it

    async def _drop_link(self) -> None:
        if self._link is not None:
            await self._link.close()
            self._link = None  # afterwards: whoever waits here may be cancelled, and `close` comes again

    def _learn(self, props: Json) -> None:
        """Take over what llama.cpp says of the loaded model."""
        if not props.get("media_marker"):
            raise Unavailable("This version of llama.cpp does not announce its media marker.")
        self._media_marker = props["media_marker"]
        can = props.get("chat_template_caps", {})
        sees = props.get("modalities", {})
        self._has_template_tools = self._options.template_tools and bool(can.get("supports_tools"))
        self._capabilities = Capabilities(
            images=bool(sees.get("vision")),
            logprobs=True,
            structured=True,
            tools=True,  # by the model's own template, or forced by a grammar
            reasoning=bool(can.get("supports_reasoning_effort")),
        )

    async def _probe(self) -> None:
        """Return if the child answers."""
        if self._link is not None:
            await self._link.probe()

    def _read_files(self) -> None:
        """Take over what is in the weights now; raises Unavailable for what cannot be used. Blocks.

        The digest of gigabytes is not computed again while size and time of change are the same.
        """
        paths = [path for path in (self._gguf, self._mmproj) if path is not None]
        for path in paths:
            if not path.is_file():
                raise Unavailable(f"The model file {path} does not exist.")
        try:
            state = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
            if state == self._read_state:
                return
            self._vocabulary = read_vocabulary(self._gguf)
            self._plain = Neutraliser(self._vocabulary.control_tokens)
            self._fingerprint = self._compute_fingerprint()
            self._read_state = state
        except (OSError, ValueError) as failure:
            raise Unavailable(f"The model file {self._gguf} cannot be used: {failure}.") from failure

    def _compute_fingerprint(self) -> str:
        files = [read_digest(path) for path in (self._gguf, self._mmproj) if path is not None]
        kept = self._options.model_dump(mode="json", include={"context_tokens", "image_max_tokens"})
        seen = json.dumps([version("xllamacpp"), files, kept], sort_keys=True)
        return f"llama-{hashlib.sha256(seen.encode()).hexdigest()[:16]}"


def _without_strange_stop(piece: Piece, sampling: Sampling) -> Piece:
    """Return the piece; what ended the text is told only if it was asked for, and not of the chat template."""
    if isinstance(piece, FinishPiece) and piece.stop_sequence not in sampling.stop:
        return replace(piece, stop_sequence=None)
    return piece


def _parse_tokens(items: list[Json]) -> tuple[Token, ...]:
    return tuple(map(_parse_token, items))


def _parse_token(item: Json) -> Token:
    """A piece is text, or the bytes as numbers where they are no UTF-8 by themselves."""
    piece = item["piece"]
    raw = piece.encode() if isinstance(piece, str) else bytes(piece)
    return Token(id=int(item["id"]), text=raw.decode("utf-8", "replace"), raw=raw)
