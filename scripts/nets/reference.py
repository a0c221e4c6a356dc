"""Reference values of one case: two forward passes that share no code, central differences, and the case files.

A case is NAME.onnx and NAME.npz: `x0..` (inputs, f32), `y0..` (outputs, f64), `g0..` (one cotangent for each output,
f32), `dx0..` (the gradient of sum over outputs of <g, y>, f64) and `smooth` (1: no kink near the input). A file
NAME@TENSOR.npz is a second case on the same network: the inner tensor TENSOR is the one output.

What is stored comes from reverse.py. Before, its forward pass is compared with onnx's ReferenceEvaluator on a copy of
the model in double precision, and its gradient with central differences of that evaluator. Where the evaluator cannot
judge (`unjudged`, COARSE), the central differences are those of reverse.py's own forward pass; those forward passes
were compared with onnxruntime (tests/judges/gradient_onnxruntime.py).
"""

import io
import zipfile

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from . import reverse, tape
from .build import grid

FLOAT_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
STEP = 1e-5
AGREEMENT = 3e-6
FORWARD_AGREEMENT = 1e-5  # the evaluator keeps some scales in f32
MARGIN = 1e-3
ROUNDING = 2e-6  # a fifth of what the tests allow
FULL_DIFFERENCES = 150
SAMPLED_DIFFERENCES = 40


# What the evaluator of onnx 1.23 cannot judge: it computes these in f32 inside ...
COARSE = {"Erf", "Gelu", "GridSample", "AffineGrid", "GroupNormalization"}
# ... and these it lacks, or computes otherwise than the specification says.
UNJUDGED = {
    "GatherElements": "wants indices as large as the data",
    "GlobalLpPool": "is missing",
    "GlobalMaxPool": "has a wrong shape for volumes",
    "LRN": "normalises as many channels as the batch has images",
    "MeanVarianceNormalization": "has f32 constants in its function body",
}


def unjudged(model):
    """Why the ReferenceEvaluator cannot check this model at all, or None."""
    opset = next(o.version for o in model.opset_import if not o.domain)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        kind = node.op_type
        if kind in UNJUDGED:
            return f"{kind} {UNJUDGED[kind]}"
        if kind in ("RNN", "GRU", "LSTM"):
            ignored = {"clip", "input_forget", "activation_alpha", "activations"}
            if ignored & set(attributes) or (len(node.input) > 4 and node.input[4]):
                return f"{kind}: some inputs or attributes are ignored"
        if kind == "Scan" and any(name.endswith(("directions", "axes")) for name in attributes):
            return "Scan works along axis 0 and forwards only"
        if kind == "Upsample" and attributes.get("mode") == b"linear":
            return "Upsample has mode nearest only"
        if kind == "GridSample" and opset < 20 and attributes.get("mode", b"bilinear") != b"nearest":
            return "GridSample knows the mode names of operator set 20 only"
        if kind in ("Softmax", "LogSoftmax", "Hardmax") and opset < 13:
            return f"{kind} has the meaning of operator set 13"
        if kind == "ConvTranspose" and (
            attributes.get("group", 1) > 1 or {"output_shape", "auto_pad"} & set(attributes)
        ):
            return "ConvTranspose with groups, output_shape or auto_pad is wrong"
        if kind == "MaxPool":
            same = attributes.get("auto_pad", b"").startswith(b"SAME")
            if same or attributes.get("ceil_mode") or len(attributes["kernel_shape"]) == 1:
                return "MaxPool with SAME, with ceil_mode, or along one axis fails or has wrong shapes"
        if kind in ("AveragePool", "LpPool") and attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
            return f"{kind} with auto_pad has wrong shapes"
        if kind == "LpNormalization" and attributes.get("p") == 1:
            return "LpNormalization with p = 1 forgets the absolute value"
        if kind == "GroupNormalization" and opset < 21:
            return "GroupNormalization of operator set 18 is withdrawn"
        if kind == "Pad" and len(node.input) > 1 and (constants.get(node.input[1], np.zeros(1)) < 0).any():
            return "Pad does not crop"
    return None


def as_double(model):
    """A copy of the model whose floats are all double."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _widen_graph(copy.graph)
    return copy


def _widen_tensor(tensor):
    if tensor.data_type in FLOAT_TYPES:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def _widen_graph(graph):
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for info in [*graph.input, *graph.output, *graph.value_info]:
        if info.type.tensor_type.elem_type in FLOAT_TYPES:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _widen_tensor(attribute.t)
            elif attribute.type == AttributeProto.GRAPH:
                _widen_graph(attribute.g)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i in FLOAT_TYPES:
                attribute.i = TensorProto.DOUBLE
            elif attribute.name == "stash_type" and node.op_type != "LayerNormalization":
                attribute.i = TensorProto.DOUBLE
        if node.op_type == "Constant" and node.attribute[0].name in ("value_float", "value_floats"):
            value = np.asarray(helper.get_attribute_value(node.attribute[0]), np.float64)
            node.attribute[0].CopyFrom(helper.make_attribute("value", numpy_helper.from_array(value)))


class Disagreement(AssertionError):
    pass


class NoSmoothInput(Exception):
    pass


def largest(arrays):
    return max((float(np.abs(a).max()) for a in arrays if np.size(a)), default=0.0)


def check(model, feeds, outputs, cotangents, gradients, wanted=None):
    """Raises unless outputs and gradients agree with the ReferenceEvaluator and with central differences."""
    own = reverse.Model(model)
    wide = {k: reverse.widen(v) for k, v in feeds.items()}

    def own_forward(values):
        return own.forward(values, wanted)

    forward = own_forward
    if unjudged(model) is None and wanted is None:
        evaluator = ReferenceEvaluator(as_double(model))

        def forward(values):
            return evaluator.run(None, values)

        seen = forward(wide)
        if COARSE & {node.op_type for node in model.graph.node}:
            forward = own_forward
        for name, ours, theirs in zip(own.outputs, outputs, seen):
            if ours.shape != theirs.shape:
                raise Disagreement(f"{name}: shape {ours.shape}, reference evaluator {theirs.shape}")
            error = largest([ours - theirs]) / max(largest([theirs]), 1e-30)
            if error > FORWARD_AGREEMENT:
                raise Disagreement(f"{name}: relative error {error:.1e} against the reference evaluator")

    def loss(values):
        return sum(float((y * g).sum()) for y, g in zip(forward(values), cotangents))

    random = np.random.RandomState(0)
    scale = max(largest(gradients), 1e-30)
    for (name, value), gradient in zip(wide.items(), gradients):
        if gradient is None:
            continue
        places = np.arange(value.size)
        if value.size > FULL_DIFFERENCES:
            places = random.choice(value.size, SAMPLED_DIFFERENCES, replace=False)
        for place in places:
            sides = []
            for sign in (1, -1):
                moved = value.copy()
                moved.flat[place] += sign * STEP
                sides.append(loss({**wide, name: moved}))
            difference = (sides[0] - sides[1]) / (2 * STEP)
            error = abs(difference - gradient.flat[place]) / scale
            if error > AGREEMENT:
                raise Disagreement(
                    f"d/d{name}[{place}]: {gradient.flat[place]:.6e}, central difference {difference:.6e}, "
                    f"{error:.1e} of the largest"
                )


def sample(shape, random, span):
    if span is None:
        return grid(random.randn(*shape), 1024).astype(np.float32)
    return grid(random.uniform(*span, shape), 1024).astype(np.float32)


def rounding_error(own, feeds, cotangents, gradients, wanted):
    """How far the gradient moves, as a part of its largest value, when every intermediate value is rounded to f32."""
    tape.single_precision = True
    try:
        _, found = own.gradient(feeds, lambda _: cotangents, wanted)
    finally:
        tape.single_precision = False
    scale = max(largest(gradients), 1e-30)
    return max(largest([a - b]) / scale for a, b in zip(found, gradients))


def make_case(model, spans, seed, smooth=True, attempts=300, wanted=None):
    """Arrays of a case at a point that suits an f32 comparison: every kink at least MARGIN away, well conditioned.

    `smooth` False takes the first point.
    """
    own = reverse.Model(model)
    shapes = {
        i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input if i.name in own.inputs
    }
    best = -1.0
    for attempt in range(attempts):
        random = np.random.RandomState((seed + 7919 * attempt) % 2**32)
        feeds = {name: sample(shape, random, spans.get(name)) for name, shape in shapes.items()}
        tape.kinks.clear()
        cotangents = []

        def draw(outputs):
            cotangents[:] = [grid(random.randn(*y.shape), 1024).astype(np.float32) for y in outputs]
            return cotangents

        outputs, gradients = own.gradient(feeds, draw, wanted)
        margin = min(tape.kinks, default=1.0)
        best = max(best, margin)
        if not smooth:
            break
        if margin >= MARGIN and rounding_error(own, feeds, cotangents, gradients, wanted) < ROUNDING:
            break
    else:
        raise NoSmoothInput(f"no smooth input in {attempts} attempts; the best margin was {best:.1e}")
    if not all(np.isfinite(a).all() for a in [*outputs, *gradients]):
        raise Disagreement("not finite")
    check(model, feeds, outputs, cotangents, gradients, wanted)
    return arrays_of(list(feeds.values()), outputs, cotangents, gradients, smooth)


def arrays_of(inputs, outputs, cotangents, gradients, smooth):
    arrays = {}
    for prefix, values in (("x", inputs), ("y", outputs), ("g", cotangents), ("dx", gradients)):
        arrays.update({f"{prefix}{i}": np.asarray(v) for i, v in enumerate(values)})
    return arrays | {"smooth": np.asarray(1.0 if smooth else 0.0, np.float32)}


def pack(arrays):
    """An uncompressed npz with fixed time stamps: the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), part.getvalue())
    return buffer.getvalue()


def unpack(data):
    with np.load(io.BytesIO(data)) as archive:
        return {name: archive[name] for name in archive.files}


def serialised(model):
    return model.SerializeToString(deterministic=True)
