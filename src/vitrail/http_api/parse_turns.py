"""Gather turns that other surfaces write in pieces (calls and results of their own) into messages.

Called by parse_anthropic and parse_responses. A picture that a function gave follows in a user message, since engines
take pictures there only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vitrail.domain.chat import ImagePart, Message, Role, TextPart, ToolCall

Part = TextPart | ImagePart

_PICTURE_FOLLOWS = TextPart("The result is the image that follows.")


class Turns:
    """Collects messages in the order sent."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._given: list[Part] = []  # pictures of function results that no user message carries yet

    def add(self, message: Message) -> None:
        """Add a message; pictures that functions gave go before what a user says next."""
        if message.role is Role.USER:
            message = replace(message, parts=(*self._given, *message.parts))
            self._given.clear()
        else:
            self._hand_over()
        self._messages.append(message)

    def add_call(self, call: ToolCall) -> None:
        """Add a function call to the assistant's turn that is under way, or to a new one."""
        if self._given or not self._messages or self._messages[-1].role is not Role.ASSISTANT:
            self.add(Message(Role.ASSISTANT, ()))
        last = self._messages[-1]
        self._messages[-1] = replace(last, tool_calls=(*last.tool_calls, call))

    def add_result(self, call_id: str, parts: Iterable[Part]) -> None:
        """Add what a function gave; its pictures wait for the next user message."""
        texts = tuple(part for part in parts if isinstance(part, TextPart))
        pictures = [part for part in parts if isinstance(part, ImagePart)]
        self._given.extend(pictures)
        if pictures and not texts:
            texts = (_PICTURE_FOLLOWS,)
        self._messages.append(Message(Role.TOOL, texts, tool_call_id=call_id))

    def finish(self) -> tuple[Message, ...]:
        """Return all messages."""
        self._hand_over()
        return tuple(self._messages)

    def _hand_over(self) -> None:
        if self._given:
            self._messages.append(Message(Role.USER, tuple(self._given)))
            self._given.clear()
