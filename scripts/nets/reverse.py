"""Evaluates an ONNX model in f64 and pulls cotangents back to its inputs, on the tape of tape.py.

It is the judge of the Rust implementation and shares nothing with it: each operator is written here from the ONNX
specification as a forward function over tape primitives; its gradient follows. Half and single precision weights are
widened to f64, and casts between float types change nothing, so a wholly f16 model is evaluated without rounding.

    model = reverse.Model(onnx.load(path))
    outputs, gradients = model.gradient({"x": x}, lambda outputs: cotangents)
"""

import collections
import math

import ml_dtypes
import numpy as np
from onnx import AttributeProto, helper, numpy_helper

from . import tape

OPERATORS = {}
FLOATS = (np.float16, np.float32, np.float64, ml_dtypes.bfloat16)


def operator(*names):
    """Registers a forward function `f(node, *inputs)`; absent optional inputs are None."""

    def register(function):
        for name in names:
            assert name not in OPERATORS, name
            OPERATORS[name] = function
        return function

    return register


def widen(array):
    array = np.asarray(array)
    return array.astype(np.float64) if array.dtype.type in FLOATS else array


def integers(value):
    """A constant tensor as a list of Python integers."""
    return [int(v) for v in np.asarray(tape.val(value)).ravel()]


class Node:
    """What an operator sees of its node: attributes, operator set, how many outputs are wanted."""

    def __init__(self, proto, opset, scope=None):
        self.kind = proto.op_type
        self.name = proto.name
        self.proto = proto
        self.opset = opset
        self.scope = scope
        self.attributes = {a.name: _attribute(a) for a in proto.attribute}

    def get(self, name, default=None):
        return self.attributes.get(name, default)

    @property
    def outputs(self):
        return len(self.proto.output)


def _attribute(proto):
    value = helper.get_attribute_value(proto)
    if proto.type == AttributeProto.TENSOR:
        return widen(numpy_helper.to_array(value))
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)) or hasattr(value, "append"):
        return [v.decode() if isinstance(v, bytes) else v for v in value]
    return value


class UnknownOperator(NotImplementedError):
    pass


class Graph:
    """A graph whose attributes and initialisers are decoded once, for repeated evaluation."""

    def __init__(self, proto, opset):
        self.inputs = [i.name for i in proto.input]
        self.outputs = [o.name for o in proto.output]
        self.constants = {t.name: widen(numpy_helper.to_array(t)) for t in proto.initializer}
        self.nodes = []
        for node in proto.node:
            if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
                raise UnknownOperator(f"{node.domain}:{node.op_type} (node {node.name!r})")
            self.nodes.append(Node(node, opset))
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    self.nodes[-1].attributes[attribute.name] = Graph(attribute.g, opset)
        self.last_use = collections.defaultdict(list)
        last = {name: i for i, node in enumerate(self.nodes) for name in node.proto.input}
        for name, i in last.items():
            self.last_use[i].append(name)
        self.has_body = any(isinstance(v, Graph) for n in self.nodes for v in n.attributes.values())

    def run(self, feeds, scope=None, wanted=None):
        """The wanted tensors (the outputs by default); `scope` holds what an enclosing graph has defined."""
        wanted = self.outputs if wanted is None else wanted
        env = dict(scope or {})
        env.update(self.constants)
        env.update(feeds)
        kept = {*wanted, *self.inputs, *self.constants, *(scope or ())}
        for i, node in enumerate(self.nodes):
            node.scope = env
            arguments = [env[name] if name else None for name in node.proto.input]
            results = OPERATORS[node.kind](node, *arguments)
            results = results if isinstance(results, tuple) else (results,)
            env.update(zip([name for name in node.proto.output], results))
            if not self.has_body:  # a body may still read what no node here reads again
                for name in self.last_use[i]:
                    if name not in kept:
                        env.pop(name, None)
        return [env[name] for name in wanted]


class Model:
    def __init__(self, proto):
        opset = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
        self.graph = Graph(proto.graph, opset)
        self.inputs = [n for n in self.graph.inputs if n not in self.graph.constants]
        self.outputs = self.graph.outputs

    def forward(self, feeds, wanted=None):
        """Plain arrays in, plain arrays out."""
        return [tape.val(v) for v in self.graph.run({k: widen(v) for k, v in feeds.items()}, wanted=wanted)]

    def gradient(self, feeds, cotangents, wanted=None):
        """Outputs and input gradients for `cotangents(outputs)`; float inputs only get one (others: None)."""
        values = {k: widen(v) for k, v in feeds.items()}
        sources = {k: tape.Var(v) for k, v in values.items() if v.dtype == np.float64}
        outputs = self.graph.run({**values, **sources}, wanted=wanted)
        plain = [tape.val(o) for o in outputs]
        pulled = tape.gradients(outputs, cotangents(plain), list(sources.values()))
        by_name = dict(zip(sources, pulled))
        return plain, [by_name.get(name) for name in feeds]


def resolve_padding(node, size, kernel, strides, dilations):
    """Explicit (before, after) amounts of a convolution or pool over `size`, from pads or auto_pad."""
    rank = len(kernel)
    mode = node.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = node.get("pads") or [0] * (2 * rank)
        return list(pads[:rank]), list(pads[rank:])
    if mode == "VALID":
        return [0] * rank, [0] * rank
    whole = [
        max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in zip(size, kernel, strides, dilations)
    ]
    small, large = [p // 2 for p in whole], [p - p // 2 for p in whole]
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def load_operators():
    from . import operators_arithmetic, operators_layers, operators_recurrent, operators_sampling, operators_shape  # noqa: F401


load_operators()
