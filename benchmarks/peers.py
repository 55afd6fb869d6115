"""A token of an n-S4D network as others compute it: float32, one core, state carried."""

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from lava_ssm.network import S4D, Activation, Network

Step = Callable[[], object]


def peers(network: Network, with_compiled: bool) -> dict[str, Step]:
    """Give what stands beside the engine; `with_compiled`: also what takes a minute to compile."""
    found: dict[str, Step] = {
        "PyTorch eager, float32": torch_step(network),
        "NumPy, complex64": numpy_step(network),
        "ONNX Runtime, float32": onnx_step(network),
    }
    if with_compiled and shutil.which("g++"):
        found["PyTorch compiled, float32"] = torch_compiled_step(network)
    return found


def layers_of(network: Network) -> list[tuple[list[np.ndarray], bool]]:
    """Of each stage its arrays, weights or complex a, b, c, and whether a ReLU follows."""
    return [
        (
            [v.astype(np.complex64) for v in (layer.a, layer.b, layer.c)]
            if isinstance(layer, S4D)
            else [layer.weights.astype(np.float32)],  # type: ignore[attr-defined]
            stage.activation is Activation.RELU,
        )
        for stage in network.stages
        for layer in (stage.layer,)
    ]


def torch_step(network: Network) -> Step:
    """A token in PyTorch."""
    layers: list[tuple[Any, ...]] = []
    for arrays, relu in layers_of(network):
        tensors = [torch.tensor(v) for v in arrays]
        states = [torch.zeros_like(tensors[0])] if len(tensors) > 1 else []
        layers.append((*tensors, *states, relu))
    token = torch.full((1,), 0.5)

    @torch.no_grad()
    def step() -> torch.Tensor:
        u = token
        for i, (*parts, relu) in enumerate(layers):
            if len(parts) == 1:
                u = parts[0] @ u
            else:
                a, b, c, x = parts
                x = a * x + b * u[:, None]
                layers[i] = (a, b, c, x, relu)
                u = 2 * (c * x).sum(-1).real
            if relu:
                u = torch.relu(u)
        return u

    return step


def torch_compiled_step(network: Network) -> Step:
    """The same by `torch.compile`, which knows real numbers only: parts, states in and out."""
    layers = [
        ([torch.tensor(v) for x in arrays for v in (x.real, x.imag)], relu)
        for arrays, relu in layers_of(network)
    ]
    states = [torch.zeros_like(parts[0]) for parts, _ in layers for _ in parts[2:4]]
    token = torch.full((1,), 0.5)

    @torch.compile
    def after(u: torch.Tensor, states: list[torch.Tensor]) -> list[torch.Tensor]:
        before, made = iter(states), []
        for parts, relu in layers:
            if len(parts) == 2:
                u = parts[0] @ u
            else:
                a_re, a_im, b_re, b_im, c_re, c_im = parts
                re, im = next(before), next(before)
                u = u[:, None]
                x_re, x_im = a_re * re - a_im * im + b_re * u, a_re * im + a_im * re + b_im * u
                made += x_re, x_im
                u = 2 * (c_re * x_re - c_im * x_im).sum(-1)
            if relu:
                u = torch.relu(u)
        return [u, *made]

    @torch.no_grad()
    def step() -> torch.Tensor:
        nonlocal states
        u, *states = after(token, states)
        return u

    return step


def numpy_step(network: Network) -> Step:
    """A token in NumPy."""
    layers = [(arrays, np.zeros_like(arrays[0]), relu) for arrays, relu in layers_of(network)]
    token = np.full(1, 0.5, np.float32)

    def step() -> np.ndarray:
        u = token
        for arrays, x, relu in layers:
            if len(arrays) == 1:
                u = arrays[0] @ u
            else:
                a, b, c = arrays
                x *= a
                x += b * u[:, np.newaxis]
                u = 2 * (c * x).sum(-1).real
            if relu:
                u = np.maximum(u, 0)
        return u

    return step


def onnx_graph(network: Network) -> tuple[bytes, dict[str, tuple[int, ...]]]:
    """Give the graph of a token, states in and out, and the states' shapes: real, then imaginary.

    ONNX has no complex numbers.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    states: dict[str, tuple[int, ...]] = {}

    def op(kind: str, *inputs: str, to: str = "", **attributes: int) -> str:
        name = to or f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))  # type: ignore[arg-type]
        return name

    def constant(values: np.ndarray) -> str:
        name = f"c{len(constants)}"
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def parts(values: np.ndarray) -> tuple[str, str]:
        return constant(values.real), constant(values.imag)

    def times(x: tuple[str, str], y: tuple[str, str], sign: str, order: int) -> str:
        products = (op("Mul", x[0], y[order]), op("Mul", x[1], y[1 - order]))
        return op(sign, *products)

    last, u = constant(np.array([-1])), "token"
    for arrays, relu in layers_of(network):
        if len(arrays) == 1:
            u = op("MatMul", constant(arrays[0]), u)
        else:
            a, b, c = (parts(v * f) for v, f in zip(arrays, (1, 1, 2), strict=True))
            x = f"state{len(states)}", f"state{len(states) + 1}"
            states |= dict.fromkeys(x, arrays[0].shape)
            column = op("Unsqueeze", u, last)
            moved = times(a, x, "Sub", 0), times(a, x, "Add", 1)
            new_re, new_im = (
                op("Add", m, op("Mul", part, column), to=f"{name}_next")
                for m, part, name in zip(moved, b, x, strict=True)
            )
            u = op("ReduceSum", times(c, (new_re, new_im), "Sub", 0), last, keepdims=0)
        if relu:
            u = op("Relu", u)
    op("Identity", u, to="output")

    def described(shapes: dict[str, tuple[int, ...]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]

    inputs = described({"token": (network.d_input,), **states})
    after = {f"{name}_next": shape for name, shape in states.items()}
    outputs = described({"output": (network.d_output,), **after})
    graph = helper.make_graph(nodes, "step", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(), states


def onnx_step(network: Network) -> Step:
    """A token in ONNX Runtime: states stay where they are, in two sets by turns."""
    content, shapes = onnx_graph(network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])

    def value(shape: tuple[int, ...], fill: float = 0.0) -> onnxruntime.OrtValue:
        made = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32)
        made.update_inplace(np.full(shape, fill, np.float32))
        return made

    sets = [{name: value(shape) for name, shape in shapes.items()} for _ in range(2)]
    token, output = value((network.d_input,), 0.5), value((network.d_output,))
    bindings = []
    for before, after in (sets, sets[::-1]):
        binding = session.io_binding()
        for name, x in {"token": token, **before}.items():
            binding.bind_ortvalue_input(name, x)
        for name, x in {"output": output, **{f"{k}_next": x for k, x in after.items()}}.items():
            binding.bind_ortvalue_output(name, x)
        bindings.append(binding)

    def step() -> np.ndarray:
        session.run_with_iobinding(bindings[0])
        bindings.reverse()
        return np.asarray(output.numpy())

    return step
