"""A real `vllm serve` on loopback with the tiny random InternVL, for tests to ask, to kill and to start again.

The environment is made by `make test-vllm`; docs/vllm.md says what each setting is for.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
BIN = HERE.parent.parent / ".venv-vllm" / "bin"
MODEL = "tiny-internvl"
KEY = "key-of-the-tests"
READY_SECONDS = 300.0
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "OMP_WAIT_POLICY": "passive",  # spinning threads starve whatever shares the cores
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
FLAGS = {
    "--served-model-name": MODEL,
    "--host": "127.0.0.1",
    "--api-key": KEY,
    "--dtype": "bfloat16",
    "--max-model-len": "8192",
    "--max-num-seqs": "8",
    "--limit-mm-per-prompt": json.dumps({"image": 10, "video": 0}),
    "--structured-outputs-config": json.dumps({"backend": "xgrammar", "disable_any_whitespace": True}),
    "--tool-call-parser": "hermes",
}
SWITCHES = ("--enforce-eager", "--enable-prompt-tokens-details", "--enable-auto-tool-choice")


class VllmServer:
    """vLLM on one port for as long as the object lives, in as many processes one after another as the tests need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checkpoint = folder / "checkpoint"
        self._port = _find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Return what clients take as the base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def log(self) -> str:
        """Return the end of what vLLM has printed."""
        return (self._folder / "vllm.log").read_text("utf-8", "replace")[-4000:]

    def start(self) -> None:
        """Return once vLLM answers; the checkpoint is written the first time."""
        if not self._checkpoint.exists():
            self._run(BIN / "python", HERE / "make_checkpoint.py", self._checkpoint)
        flags = [word for flag in FLAGS.items() for word in flag]
        with (self._folder / "vllm.log").open("ab") as log:
            self._process = subprocess.Popen(
                [BIN / "vllm", "serve", self._checkpoint, "--port", str(self._port), *flags, *SWITCHES],
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_healthy():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.5)

    def kill(self) -> None:
        """Kill -9 vLLM: the front end and the engine process that it has started."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)  # the group that `start` made
            process.wait()

    def _is_healthy(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.base_url.removesuffix("/v1") + "/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _run(self, *command: object) -> None:
        done = subprocess.run(
            [str(word) for word in command], env={**os.environ, **ENVIRONMENT}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-4000:]


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
