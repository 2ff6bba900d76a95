"""What runs first in a decode worker: its limits, then the decoding. Imported by workers, unpickled in the child.

The image libraries are imported inside the child, after the limits were set, so the API process never loads one and
their thread pools are small from the start.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import resource
import signal
import sys
from pathlib import Path

from vitrail.domain.pictures import ImageFormat
from vitrail.ingest.decode_task import Decoded, DecodeTask

_THREADS = {
    "VIPS_CONCURRENCY": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "2",  # halves the time of the resize; two threads of it do not spin
}
_PR_SET_PDEATHSIG = 1


def start_worker(memory_bytes: int, parent_pid: int) -> None:
    """Limit this process before it sees any bytes: threads, memory beyond what it has at rest, signals, its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ends native code at once, where a Python handler would wait for it
    _die_with_parent(parent_pid)
    os.environ.update(_THREADS)
    _load_decoders()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _count_mapped_bytes() + memory_bytes
    if hard == resource.RLIM_INFINITY or limit < hard:
        with contextlib.suppress(ValueError, OSError):  # macOS has no such limit; the deadline still holds there
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash writes no client's picture to the disk


def decode_in_worker(task: DecodeTask) -> Decoded:
    """Return the decoded picture of a task; raises InvalidArgument."""
    from vitrail.ingest.decode import decode_picture

    picture = decode_picture(task)
    return Decoded(picture, hashlib.sha256(picture.rgb).hexdigest())


def _load_decoders() -> None:
    """Import the libraries and use each once, so that their memory counts as memory at rest."""
    import pyvips

    from vitrail.ingest.decode import decode_picture

    pyvips.block_untrusted_set(True)
    pyvips.cache_set_max(0)
    decode_picture(DecodeTask(_ONE_PIXEL_PNG, ImageFormat.PNG, 1, 1, 1, 1, 1))


_ONE_PIXEL_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)


def _die_with_parent(parent_pid: int) -> None:
    """Have the kernel end this process when its parent dies, also when that was killed."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the request to the kernel
        os._exit(1)


def _count_mapped_bytes() -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 0
