"""Run llama.cpp's native HTTP server in this process until the parent closes our standard input.

Started by `process` as `python -m vitrail.engines.llama.child`. Reads one JSON line, a `ChildSpec`, from standard input
(the key must not stand in the arguments), loads the model, writes one JSON line to standard output,
`{"url": ..., "reads_memory_files": ...}` or `{"error": ...}`, and waits. Knows nothing of Vitrail's requests, and
imports nothing of it but `spec`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from vitrail.engines.llama.spec import ChildSpec


def main() -> None:
    """Serve until the parent is gone."""
    announce = _claim_standard_output()
    _die_with_the_parent(int(sys.argv[1]))
    for unwanted in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the parent decides when we end
        signal.signal(unwanted, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _end_first_when_memory_is_short()
    spec = ChildSpec(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    memory_folder = _find_memory_folder(spec.memory_file)
    try:
        server = _load(spec, memory_folder)
    except (RuntimeError, ValueError, ImportError) as failure:
        announce.write(json.dumps({"error": str(failure)}) + "\n")
        announce.flush()
        sys.exit(1)
    ready = {"url": server.listening_address, "reads_memory_files": memory_folder is not None}
    announce.write(json.dumps(ready) + "\n")
    announce.flush()
    threading.Event().wait()


def _claim_standard_output() -> TextIO:
    """Keep standard output for our one line; whatever native code prints there goes to standard error."""
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return ours


def _die_with_the_parent(parent: int) -> None:
    """Ask Linux to kill us when the parent dies, even while native code keeps Python from running."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _end_first_when_memory_is_short() -> None:
    """Have Linux end us, who are started again, and not the parent, with whom all would be gone."""
    score = Path("/proc/self/oom_score_adj")
    with suppress(OSError):
        score.write_text(str(max(500, int(score.read_text("ascii")))), "ascii")


def _exit_at_end_of_input() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


def _find_memory_folder(memory_file: str | None) -> str | None:
    """Return where the parent's memory files are; None if we may not open them, which a hardened system forbids."""
    if memory_file is None:
        return None
    try:
        with Path(memory_file).open("rb"):
            return f"{Path(memory_file).parent}/"
    except OSError:
        return None


def _load(spec: ChildSpec, memory_folder: str | None) -> _Server:
    """Load the model and return the native server, which is listening by then."""
    # Spinning OpenMP threads lose most of their speed beside any other busy process.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    import xllamacpp  # only after the line above: the OpenMP runtime reads it once, when it is loaded

    params = xllamacpp.CommonParams()
    params.model.path = spec.gguf
    if spec.mmproj is not None:
        params.mmproj.path = spec.mmproj
    params.n_ctx = spec.context_tokens * spec.parallel  # the slots share it
    params.n_parallel = spec.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = spec.threads
    if spec.gpu_layers is not None:
        params.n_gpu_layers = spec.gpu_layers
    if spec.image_max_tokens is not None:
        params.image_max_tokens = spec.image_max_tokens
    params.cache_ram_mib = spec.prompt_cache_mib
    params.warmup = spec.warmup
    if memory_folder is not None:
        params.media_path = memory_folder
    params.fit_params = False  # the operator's numbers hold, or loading fails
    params.endpoint_slots = True
    params.ui = False
    params.verbosity = 1  # errors; from warnings on, llama.cpp logs parts of requests
    params.hostnames = ["127.0.0.1"]
    params.api_keys = [spec.key]
    server: _Server = xllamacpp.Server(params)
    return server


class _Server:
    """What we use of `xllamacpp.Server`."""

    listening_address: str


if __name__ == "__main__":
    main()
