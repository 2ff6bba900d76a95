"""Open the ONNX models of this package with few threads that sleep when idle. Called once by each sense."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

MODELS = Path(__file__).with_name("models")
_ERRORS_ONLY = 3


def open_session(model: Path, *, threads: int) -> onnxruntime.InferenceSession:
    """Load a model on the CPU; its threads do not spin, so that the language model keeps the cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
