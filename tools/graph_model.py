"""Turn a TensorFlow.js graph model into an ONNX model. Called by convert_perception_models; needs only numpy and
onnx.

Every TensorFlow node becomes one ONNX node in TensorFlow's own axis order; where an ONNX operator wants channels first,
a Transpose stands on either side and the runtime's optimiser cancels the pairs. Nodes that depend on no input are
computed here. Only the operators that small convolutional detectors use are known; any other is an error.
"""

import base64
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

OPSET = 18
SMALL_TENSOR = 64  # constants up to this many elements stay float32
CHANNELS_FIRST = [0, 3, 1, 2]
CHANNELS_LAST = [0, 2, 3, 1]


@dataclass(frozen=True, slots=True)
class Node:
    """One TensorFlow operation; inputs are references such as `name` or `name:1`."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]

    def ints(self, key: str) -> list[int]:
        return [int(value) for value in self.attributes[key]["list"].get("i", [])]

    def text(self, key: str) -> str:
        return base64.b64decode(self.attributes[key]["s"]).decode()

    def texts(self, key: str) -> list[str]:
        return [base64.b64decode(value).decode() for value in self.attributes.get(key, {}).get("list", {}).get("s", [])]

    def flag(self, key: str) -> bool:
        return bool(self.attributes.get(key, {}).get("b", False))

    def real(self, key: str) -> float:
        return float(self.attributes[key]["f"])


@dataclass(frozen=True, slots=True)
class GraphModel:
    nodes: dict[str, Node]
    weights: dict[str, Array]
    outputs: dict[str, list[int]]  # name -> shape, in the order of the names


def read_graph_model(model_json: Path) -> GraphModel:
    """Read `model.json` and the weight shards beside it."""
    document = json.loads(model_json.read_text())
    nodes = {
        raw["name"]: Node(
            raw["name"],
            raw["op"],
            tuple(reference for reference in raw.get("input", ()) if not reference.startswith("^")),
            raw.get("attr", {}),
        )
        for raw in document["modelTopology"]["node"]
    }
    signature = document.get("signature") or document["userDefinedMetadata"]["signature"]
    outputs = {
        output["name"].partition(":")[0]: [int(dimension["size"]) for dimension in output["tensorShape"]["dim"]]
        for output in sorted(signature["outputs"].values(), key=lambda output: output["name"])
    }
    weights = dict(_read_weights(document["weightsManifest"], model_json.parent))
    return GraphModel(nodes, weights, outputs)


def _read_weights(manifest: list[dict[str, Any]], folder: Path) -> Iterator[tuple[str, Array]]:
    for group in manifest:
        shard = b"".join((folder / name).read_bytes() for name in group["paths"])
        offset = 0
        for entry in group["weights"]:
            quantization = entry.get("quantization")
            stored = np.dtype(quantization["dtype"] if quantization else entry["dtype"])
            values: Array = np.frombuffer(shard, stored, math.prod(entry["shape"]), offset)
            offset += values.nbytes
            if quantization:
                values = values.astype(np.float32) * quantization.get("scale", 1.0) + quantization.get("min", 0.0)
            yield entry["name"], values.astype(entry["dtype"]).reshape(entry["shape"])


def convert_graph_model(model: GraphModel) -> onnx.ModelProto:
    """Translate the nodes that the outputs need; the outputs are called out0, out1, ... by the order of their names."""
    translation = _Translation(model)
    outputs = []
    for number, (name, shape) in enumerate(model.outputs.items()):
        translation.emit("Identity", [translation.tensor(name)], output=f"out{number}")
        outputs.append(helper.make_tensor_value_info(f"out{number}", TensorProto.FLOAT, shape))
    graph = helper.make_graph(
        translation.emitted, "graph", translation.inputs, outputs, initializer=translation.initializers
    )
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(result)
    return result


@dataclass
class _Translation:
    model: GraphModel
    emitted: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    _tensors: dict[str, str] = field(default_factory=dict)
    _folded: dict[str, Array | None] = field(default_factory=dict)

    def emit(self, op: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
        name = output or f"t{len(self.emitted)}"
        self.emitted.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, values: Array) -> str:
        """An initializer; large float tensors are stored as float16 and cast back when the model is loaded."""
        name = f"c{len(self.initializers)}"
        half = values.dtype == np.float32 and values.size > SMALL_TENSOR
        stored = np.ascontiguousarray(values.astype(np.float16) if half else values)
        self.initializers.append(numpy_helper.from_array(stored, name))
        return self.emit("Cast", [name], to=TensorProto.FLOAT) if half else name

    def tensor(self, reference: str) -> str:
        """The ONNX name of a TensorFlow tensor, translated on first need (operands first)."""
        if reference not in self._tensors:
            folded = self.folded(reference)
            if folded is not None:
                self._tensors[reference] = self.constant(folded)
            else:
                self._translate(self.model.nodes[reference.partition(":")[0]])
        return self._tensors[reference]

    def folded(self, reference: str) -> Array | None:
        """The value of a tensor that depends on no input, else None."""
        if reference not in self._folded:
            node = self.model.nodes[reference.partition(":")[0]]
            if node.op == "Const":
                self._folded[reference] = self.model.weights[node.name]
            elif node.op in FOLDS:
                operands = [self.folded(operand) for operand in node.inputs]
                known = [operand for operand in operands if operand is not None]
                self._folded[reference] = FOLDS[node.op](known) if len(known) == len(operands) else None
            else:
                self._folded[reference] = None
        return self._folded[reference]

    def known(self, reference: str) -> Array:
        value = self.folded(reference)
        if value is None:
            raise ValueError(f"{reference} must not depend on the model's input")
        return value

    def _translate(self, node: Node) -> None:
        if node.op not in RULES:
            raise ValueError(f"{node.name}: operator {node.op} is not known here")
        result = RULES[node.op](self, node)
        results = [result] if isinstance(result, str) else result
        for number, name in enumerate(results):
            self._tensors[f"{node.name}:{number}"] = name
        self._tensors[node.name] = results[0]


def _scatter(operands: list[Array]) -> Array:
    where, shape, values, default = operands
    dense = np.full(shape.reshape(-1).astype(int), default)
    if where.size:
        dense[tuple(np.atleast_2d(where).astype(int).T)] = values
    return dense


FOLDS: dict[str, Callable[[list[Array]], Array]] = {
    "Identity": lambda operands: operands[0],
    "Add": lambda operands: np.asarray(operands[0] + operands[1]),
    "AddV2": lambda operands: np.asarray(operands[0] + operands[1]),
    "SparseToDense": _scatter,
}


def _input(to: _Translation, node: Node) -> str:
    dimensions = [int(dimension["size"]) for dimension in node.attributes["shape"]["shape"]["dim"]]
    to.inputs.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, dimensions))
    return "image"


def _convolution(to: _Translation, node: Node) -> str:
    kernel = to.known(node.inputs[1])  # (rows, columns, channels in, channels out)
    groups = 1
    if node.op.startswith("Depthwise"):
        groups = kernel.shape[2]
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    operands = [
        to.emit("Transpose", [to.tensor(node.inputs[0])], perm=CHANNELS_FIRST),
        to.constant(kernel.transpose(3, 2, 0, 1)),
    ]
    fused = node.texts("fused_ops")
    if "BiasAdd" in fused:
        operands.append(to.constant(to.known(node.inputs[2])))
    result = to.emit(
        "Conv",
        operands,
        strides=node.ints("strides")[1:3],
        dilations=node.ints("dilations")[1:3],
        group=groups,
        auto_pad=_padding(node),
    )
    for activation in fused:
        if activation != "BiasAdd":
            result = to.emit(activation, [result])
    return to.emit("Transpose", [result], perm=CHANNELS_LAST)


def _max_pool(to: _Translation, node: Node) -> str:
    channels_first = to.emit("Transpose", [to.tensor(node.inputs[0])], perm=CHANNELS_FIRST)
    pooled = to.emit(
        "MaxPool",
        [channels_first],
        kernel_shape=node.ints("ksize")[1:3],
        strides=node.ints("strides")[1:3],
        auto_pad=_padding(node),
    )
    return to.emit("Transpose", [pooled], perm=CHANNELS_LAST)


def _padding(node: Node) -> str:
    return {"SAME": "SAME_UPPER", "VALID": "VALID"}[node.text("padding")]


def _resize(to: _Translation, node: Node) -> str:
    if node.flag("align_corners") or not node.flag("half_pixel_centers"):
        raise ValueError(f"{node.name}: only half-pixel bilinear resizing is known here")
    source = to.tensor(node.inputs[0])
    head = to.emit("Shape", [source], start=0, end=1)
    tail = to.emit("Shape", [source], start=3, end=4)
    size = to.constant(to.known(node.inputs[1]).reshape(-1).astype(np.int64))
    shape = to.emit("Concat", [head, tail, size], axis=0)
    channels_first = to.emit("Transpose", [source], perm=CHANNELS_FIRST)
    resized = to.emit("Resize", [channels_first, "", "", shape], mode="linear")
    return to.emit("Transpose", [resized], perm=CHANNELS_LAST)


def _pad(to: _Translation, node: Node) -> str:
    before_after = to.known(node.inputs[1]).astype(np.int64).T.reshape(-1)
    operands = [to.tensor(node.inputs[0]), to.constant(before_after)]
    if node.op == "PadV2":
        operands.append(to.constant(to.known(node.inputs[2]).astype(np.float32)))
    return to.emit("Pad", operands)


def _split(to: _Translation, node: Node) -> list[str]:
    axis = int(to.known(node.inputs[2]).reshape(-1)[0])
    ends = np.cumsum(to.known(node.inputs[1]).reshape(-1).astype(np.int64))
    starts = np.concatenate([[0], ends[:-1]])
    source, on_axis = to.tensor(node.inputs[0]), to.constant(np.array([axis], np.int64))
    return [
        to.emit("Slice", [source, to.constant(start.reshape(1)), to.constant(end.reshape(1)), on_axis])
        for start, end in zip(starts, ends, strict=True)
    ]


def _concat(to: _Translation, node: Node) -> str:
    *parts, axis = node.inputs
    return to.emit("Concat", [to.tensor(part) for part in parts], axis=int(to.known(axis).reshape(-1)[0]))


def _reshape(to: _Translation, node: Node) -> str:
    shape = to.constant(to.known(node.inputs[1]).reshape(-1).astype(np.int64))
    return to.emit("Reshape", [to.tensor(node.inputs[0]), shape])


def _transpose(to: _Translation, node: Node) -> str:
    order = [int(axis) for axis in to.known(node.inputs[1]).reshape(-1)]
    return to.emit("Transpose", [to.tensor(node.inputs[0])], perm=order)


def _same(op: str) -> Callable[[_Translation, Node], str]:
    return lambda to, node: to.emit(op, [to.tensor(operand) for operand in node.inputs])


RULES: dict[str, Callable[[_Translation, Node], str | list[str]]] = {
    "Placeholder": _input,
    "Conv2D": _convolution,
    "_FusedConv2D": _convolution,
    "DepthwiseConv2dNative": _convolution,
    "MaxPool": _max_pool,
    "ResizeBilinear": _resize,
    "Pad": _pad,
    "PadV2": _pad,
    "SplitV": _split,
    "ConcatV2": _concat,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "LeakyRelu": lambda to, node: to.emit("LeakyRelu", [to.tensor(node.inputs[0])], alpha=node.real("alpha")),
    "Add": _same("Add"),
    "AddV2": _same("Add"),
    "Relu": _same("Relu"),
    "Sigmoid": _same("Sigmoid"),
    "Identity": _same("Identity"),
}
