"""U32: exactly one place in the package opens what a client names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import vitrail

ROOT = Path(vitrail.__file__).parent
OPENERS = {"aiohttp", "httpx", "httpx2", "requests", "urllib3", "pycurl", "urllib.request", "http.client", "ftplib"}
# Engines talk to servers and sources that the operator configured; the command line and the test
# plugin are clients of their own server.
OF_THE_OPERATOR = ("engines", "cli", "testing")


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every module that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def opens_urls(path: Path) -> bool:
    """Tell whether a file imports anything that can open a URL."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(name in OPENERS or name.split(".")[0] in OPENERS for name in imported(tree))


def test_U32_only_fetch_opens_urls_of_clients() -> None:
    """Outside the engines, the one file that imports a client of any kind is ingest/fetch.py (and its resolver)."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if path.relative_to(ROOT).parts[0] not in OF_THE_OPERATOR and opens_urls(path)
    }

    assert found == {"ingest/fetch.py", "ingest/resolver.py"}


def test_U32_one_function_makes_the_request() -> None:
    """Within fetch.py a single function calls the session."""
    tree = ast.parse((ROOT / "ingest" / "fetch.py").read_text(encoding="utf-8"))
    calls = [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"get", "request", "post", "ws_connect"}
        and "session" in ast.unparse(node.func.value)
    ]

    assert calls == ["_open"]


def test_the_parent_process_loads_no_image_library() -> None:
    """No module that the server imports has a decoder among its own imports; the worker loads it inside a function."""
    for name in ("prepare", "workers", "decode_worker", "decode_task", "sniff", "fetch", "data_uri"):
        tree = ast.parse((ROOT / "ingest" / f"{name}.py").read_text(encoding="utf-8"))
        at_top = {
            module for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for module in imported(node)
        }

        assert not at_top & {"vitrail.ingest.decode", "pyvips", "simplejpeg", "kornia_rs", "PIL", "PIL.Image", "numpy"}
