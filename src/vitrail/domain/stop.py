"""Cut a stream of text at a stop sequence, also when the sequence is spread over several pieces."""

from __future__ import annotations


class StopCutter:
    """Hold back just as much text as could still turn into a stop sequence."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(s for s in stop if s)
        self._held = ""
        self.met: str | None = None  # the stop sequence that ended the text

    @property
    def stopped(self) -> bool:
        """Tell whether a stop sequence was met."""
        return self.met is not None

    def push(self, text: str) -> str:
        """Return the text that is safe to send after `text` came; sets `met` when a stop sequence was met."""
        if self.stopped:
            return ""
        self._held += text
        cuts = [(at, s) for at, s in ((self._held.find(s), s) for s in self._stop) if at >= 0]
        if cuts:
            at, self.met = min(cuts)
            return self._release(at, drop_rest=True)
        longest = max((_overlap(self._held, s) for s in self._stop), default=0)
        return self._release(len(self._held) - longest)

    def flush(self) -> str:
        """Return what was held back, once no more text comes."""
        return self._release(len(self._held))

    def _release(self, length: int, *, drop_rest: bool = False) -> str:
        out, self._held = self._held[:length], "" if drop_rest else self._held[length:]
        return out


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that is a beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
