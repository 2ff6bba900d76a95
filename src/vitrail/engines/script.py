"""What the scripted engine plays, as values; `script_file` reads them from YAML. Knows nothing of engines at work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vitrail.domain.chat import Role
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Failure
from vitrail.domain.faults import TransportFault
from vitrail.engines.base import Capabilities

EVERYTHING = Capabilities(images=True, logprobs=True, structured=True, tools=True, reasoning=True)


@dataclass(frozen=True, slots=True)
class AskedImage:
    """What rules look at in an image: its size as the engine gets it, and the SHA-256 of the file that was sent."""

    width_px: int
    height_px: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules look at: the last user message's text, the model's id, all images, and what stands around them."""

    text: str
    model: str
    images: tuple[AskedImage, ...] = ()
    system: str = ""
    last_role: Role = Role.USER
    digest: str = ""
    tools: tuple[str, ...] = ()  # names of the functions that may be called
    structured: bool = False  # the answer has to be JSON


@dataclass(frozen=True, slots=True)
class When:
    """Conditions of a rule, all of which must hold; None means that it does not matter."""

    text: str | None = None
    regex: re.Pattern[str] | None = None
    system: str | None = None
    last_role: Role | None = None
    model: str | None = None
    images: range | None = None
    width_px: range | None = None
    height_px: range | None = None
    sha256: str | None = None
    digest: str | None = None
    tool: str | None = None
    structured: bool | None = None
    call: range | None = None

    def holds(self, asked: Asked) -> bool:
        """Tell whether every condition but `call` holds; one image has to have the sizes and the hash together."""
        return (
            (self.text is None or self.text.casefold() in asked.text.casefold())
            and (self.regex is None or self.regex.search(asked.text) is not None)
            and (self.system is None or self.system.casefold() in asked.system.casefold())
            and (self.last_role is None or self.last_role is asked.last_role)
            and (self.model is None or self.model == asked.model)
            and (self.images is None or len(asked.images) in self.images)
            and (self.digest is None or self.digest == asked.digest)
            and (self.tool is None or self.tool in asked.tools)
            and (self.structured is None or self.structured is asked.structured)
            and (not self._asks_of_an_image or any(map(self._image_holds, asked.images)))
        )

    @property
    def _asks_of_an_image(self) -> bool:
        return not (self.width_px is None and self.height_px is None and self.sha256 is None)

    def _image_holds(self, image: AskedImage) -> bool:
        return (
            (self.width_px is None or image.width_px in self.width_px)
            and (self.height_px is None or image.height_px in self.height_px)
            and (self.sha256 is None or image.sha256.startswith(self.sha256))
        )


@dataclass(frozen=True, slots=True)
class ScriptedChunk:
    """A piece of the answer and the pause before it."""

    text: str
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A function call of the answer; `arguments` is JSON text."""

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ScriptedError:
    """A failure in place of the rest of the answer, after so many chunks."""

    kind: type[Failure]
    text: str | None = None
    retry_after_seconds: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    after_chunks: int = 0

    def failure(self) -> Failure:
        """Return the failure to raise."""
        failure = self.kind(self.text, retry_after_seconds=self.retry_after_seconds)
        failure.headers = dict(self.headers)
        return failure


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """A fault of the transport in place of the rest of the answer; without a kind nothing more comes at all."""

    kind: TransportFault | None
    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; where text, chunks, calls, error and fault are all missing, the engine makes one up.

    A verbatim one has no placeholders, and neither `max_tokens` nor `stop` of a request cut it.
    """

    text: str | None = None
    chunks: tuple[ScriptedChunk, ...] | None = None
    delay_seconds: float = 0.0
    first_delay_seconds: float | None = None
    reasoning: str | None = None
    tool_calls: tuple[ScriptedCall, ...] = ()
    error: ScriptedError | None = None
    fault: ScriptedFault | None = None
    verbatim: bool = False
    finish_reason: FinishReason | None = None
    logprob: float = -0.1
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int = 0

    @property
    def says_nothing(self) -> bool:
        """Tell whether the engine has to make up what to say."""
        return self.text is None and self.chunks is None and not self.tool_calls and self.chunk_limit is None

    @property
    def chunk_limit(self) -> int | None:
        """Return after how many chunks the answer breaks off; None if it does not."""
        broken = self.error or self.fault
        return None if broken is None else broken.after_chunks


@dataclass(frozen=True, slots=True)
class Rule:
    """When to give which answer: the first time the first one, and so on; the last one for ever."""

    when: When
    answers: tuple[Answer, ...]
    note: str = ""  # for whoever reads the script


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in the order they are tried, and what the engine claims to be able to do.

    A strict one refuses requests that no rule holds for.
    """

    rules: tuple[Rule, ...] = ()
    strict: bool = False
    capabilities: Capabilities = field(default=EVERYTHING)
