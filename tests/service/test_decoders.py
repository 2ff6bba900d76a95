"""Threads that decode a type for the first time, side by side, do not end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

# An annotation is code, run when the type is looked into: here it lets the second thread come while the first looks.
PROGRAM = """
from __future__ import annotations

import sys, threading, time
import msgspec
from vitrail.service.decoders import json_decoder, msgpack_decoder

looking = threading.Event()

def slow(kind):
    looking.set()
    time.sleep(0.5)
    return kind

class Inner(msgspec.Struct):
    a: slow(int)

class Outer(msgspec.Struct):
    b: Inner
    c: str

def decode():
    match sys.argv[1]:
        case "json":
            found = json_decoder(Outer).decode(b'{"b":{"a":1},"c":"x"}')
        case "msgpack":
            found = msgpack_decoder(Outer).decode(msgspec.msgpack.encode({"b": {"a": 1}, "c": "x"}))
        case "without":
            found = msgspec.json.decode(b'{"b":{"a":1},"c":"x"}', type=Outer)
    assert found == Outer(b=Inner(a=1), c="x")

first = threading.Thread(target=decode)
first.start()
looking.wait()
decode()
first.join()
print("both")
"""


def run(how: str) -> subprocess.CompletedProcess[str]:
    """Decode in two threads of a process of its own."""
    return subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("how", ["json", "msgpack"])
def test_each_thread_has_the_whole_value(how: str) -> None:
    """The second waits until the first has looked into the type."""
    ended = run(how)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "both\n", "")


def test_msgspec_alone_still_needs_this() -> None:
    """The library itself ends the process; once it does not, this can go."""
    assert run("without").returncode < 0
