"""Serve facts-1 with its own perception and a tiny random language model, so that no weights are fetched.

`python -m tests.console.serve_facts FOLDER`; the answers are noise, what is perceived is real.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from tests.fixtures.tiny_vlm import write_tiny_vlm
from vitrail.cli import main
from vitrail.engines import weights
from vitrail.engines.weights_manifest import Weights, WeightsFile

CONFIG = """
[[models]]
id = "facts-1"
engine = "facts"
language = ["tiny"]
aliases = ["grok-2-vision", "grok-2-vision-latest"]
"""


def name_tiny(folder: Path) -> Weights:
    """Write the tiny model where weights are looked for, and return its entry in the manifest."""
    model, _ = write_tiny_vlm(folder)
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    file = WeightsFile("gguf", model.name, model.stat().st_size, sha256)
    return Weights("tiny", "random words", "Apache-2.0", "this test", 0, (file,))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "vitrail.toml").write_text(CONFIG)
    manifest = (name_tiny(folder / "data" / "weights"),)
    weights.read_manifest = lambda: manifest
    os.chdir(folder)
    sys.argv = ["vitrail", "serve", "--port", "0", "--data-dir", "data"]
    main()
