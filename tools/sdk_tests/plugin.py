"""A pytest plugin for the SDK's tests: its fake server becomes Vitrail; what is out of scope is expected to fail."""

from __future__ import annotations

import contextlib
import importlib
import json
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.sdk_tests.child import script_path
from tools.sdk_tests.out_of_scope import OUT_OF_SCOPE


def pytest_configure() -> None:
    """Put Vitrail in the place of the fake, before any test imports it."""
    portpicker: Any = types.ModuleType("portpicker")  # all that the fake wants of that package is this
    portpicker.pick_unused_port = _pick_port
    sys.modules["portpicker"] = portpicker
    fake: Any = importlib.import_module("tests.server")
    fake.run_test_server = run_vitrail


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect what is out of scope to fail, and say why; a name on the list that is no test is a mistake of ours."""
    for item in items:
        reason = OUT_OF_SCOPE.get(item.name.partition("[")[0])
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the reasons, with the number of tests that each holds for."""
    reasons: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("xfailed", []):
        reasons.setdefault(report.wasxfail, []).append(report.nodeid)
    for reason, tests in sorted(reasons.items()):
        terminalreporter.write_line(f"out of scope: {len(tests):3} tests: {reason}")


@contextlib.contextmanager
def run_vitrail(
    initial_failures: int = 0, response_delay_seconds: int = 0, model_library: Any = None, in_memory_store: Any = None
) -> Iterator[int]:
    """Run Vitrail as the tests run their fake, and yield its port."""
    fake: Any = importlib.import_module("tests.server")
    with tempfile.TemporaryDirectory() as folder:
        script = script_path()
        told = {
            "data_dir": folder,
            "api_key": fake.API_KEY,
            "script": str(script),
            "initial_failures": initial_failures,
            "language_models": _entries(model_library and model_library.language_models),
            "image_models": _entries(model_library and model_library.image_generation_models),
        }
        if response_delay_seconds:
            slow = Path(folder, "slow.yaml")
            slow.write_text(f"rules: [{{text: Late., first_delay_seconds: {response_delay_seconds}}}]")
            told["script"] = str(slow)
        with subprocess.Popen(
            [sys.executable, "-m", "tools.sdk_tests.child", json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdin is not None and child.stdout is not None
            try:
                yield int(child.stdout.readline())
            finally:
                child.stdin.close()


def _entries(models: Any) -> list[dict[str, Any]]:
    """Return models of the tests as entries of the settings."""
    named = (models or {}).values()
    return [{"id": m.name, "aliases": [alias for alias in m.aliases if alias != m.name]} for m in named]


def _pick_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
