"""A short way to write ONNX graphs: names, initialisers and seeded weights are looked after."""

import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import reverse

IR_VERSION = {9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
ELEMENT = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "int64": TensorProto.INT64}


def grid(values, step=256):
    """Rounds to multiples of 1 / step: exact in f32, and the same on machines whose libm differs in a bit."""
    return np.round(np.asarray(values, np.float64) * step) / step


class Net:
    """One network under construction. `op` returns the name of its output (or a tuple of names)."""

    def __init__(self, name, opset=17, dtype="float32", legacy=False):
        self.name, self.opset, self.dtype = name, opset, dtype
        self.legacy = legacy  # anonymous constants are Constant nodes, as torch's older exporter writes them
        self.random = np.random.RandomState(zlib.crc32(name.encode()))
        self.nodes, self.initialisers, self.inputs, self.outputs = [], [], [], []
        self.count, self.spans, self.taps = {}, {}, []

    def fresh(self, stem):
        number = self.count.get(stem, 0)
        self.count[stem] = number + 1
        return f"{stem}_{number}"

    def input(self, name, shape, span=None):
        """A graph input. The test point is drawn from `span` = (low, high), or from a normal distribution."""
        self.inputs.append(helper.make_tensor_value_info(name, ELEMENT[self.dtype], shape))
        self.spans[name] = span
        return name

    def output(self, *names):
        self.outputs += names

    def const(self, array, name=None, dtype=None):
        """An initialiser; floats take the network's element type, integers become int64."""
        array = np.asarray(array)
        if dtype is not None:
            array = array.astype(dtype)
        elif array.dtype.kind == "f":
            array = array.astype(self.dtype)
        elif array.dtype.kind in "iu":
            array = array.astype(np.int64)
        name = name or self.fresh("const")
        self.initialisers.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape, scale=None, name=None):
        """Seeded normal weights; by default He's standard deviation for a [out, in, ...] weight."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        scale = np.sqrt(2 / fan_in) if scale is None else scale
        return self.const(grid(self.random.randn(*shape) * scale), name or self.fresh("weight"))

    def uniform(self, low, high, *shape, name=None):
        return self.const(grid(self.random.uniform(low, high, shape)), name or self.fresh("weight"))

    def op(self, kind, *inputs, outputs=1, domain="", **attributes):
        """Inputs are names, None for an absent one, or arrays and numbers, which become initialisers."""
        names = []
        for value in inputs:
            if value is None:
                names.append("")
            elif isinstance(value, str):
                names.append(value)
            elif self.legacy:
                names.append(self.constant(value))
            else:
                names.append(self.const(value))
        node_name = self.fresh(kind)
        results = [f"{node_name}_out" + (f"{i}" if i else "") for i in range(outputs)]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(helper.make_node(kind, names, results, name=node_name, domain=domain, **attributes))
        return results[0] if outputs == 1 else tuple(results)

    def constant(self, array):
        """A Constant node."""
        array = np.asarray(array)
        array = array.astype(self.dtype if array.dtype.kind == "f" else np.int64)
        return self.op("Constant", value=numpy_helper.from_array(array, ""))

    def model(self):
        """The checked model; the outputs' shapes come from an evaluation of the graph."""
        outputs = [helper.make_empty_tensor_value_info(name) for name in self.outputs]
        for output in outputs:
            output.type.tensor_type.elem_type = ELEMENT[self.dtype]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, outputs, self.initialisers)
        imports = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION[self.opset])
        feeds = {i.name: np.full([d.dim_value for d in i.type.tensor_type.shape.dim], 0.5) for i in self.inputs}
        with np.errstate(all="ignore"):
            shapes = [value.shape for value in reverse.Model(model).forward(feeds)]
        for output, name, shape in zip(model.graph.output, self.outputs, shapes):
            output.CopyFrom(helper.make_tensor_value_info(name, ELEMENT[self.dtype], shape))
        if not (self.opset < 21 and "GroupNormalization" in self.count):  # withdrawn, but files have it
            onnx.checker.check_model(model)
        return model
