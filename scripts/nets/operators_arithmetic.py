"""Element-wise operators, reductions and products of the f64 judge; see reverse.py."""

import math

import numpy as np

from . import tape
from .reverse import integers, operator, widen
from .tape import note_kink, unary, val

UNARY = {
    "Acos": (np.arccos, lambda v, y: -1 / np.sqrt(1 - v * v)),
    "Acosh": (np.arccosh, lambda v, y: 1 / np.sqrt(v * v - 1)),
    "Asin": (np.arcsin, lambda v, y: 1 / np.sqrt(1 - v * v)),
    "Asinh": (np.arcsinh, lambda v, y: 1 / np.sqrt(v * v + 1)),
    "Atan": (np.arctan, lambda v, y: 1 / (1 + v * v)),
    "Atanh": (np.arctanh, lambda v, y: 1 / (1 - v * v)),
    "Cos": (np.cos, lambda v, y: -np.sin(v)),
    "Cosh": (np.cosh, lambda v, y: np.sinh(v)),
    "Exp": (np.exp, lambda v, y: y),
    "Log": (np.log, lambda v, y: 1 / v),
    "Neg": (np.negative, lambda v, y: -1),
    "Reciprocal": (lambda v: 1 / v, lambda v, y: -y * y),
    "Sin": (np.sin, lambda v, y: np.cos(v)),
    "Sinh": (np.sinh, lambda v, y: np.cosh(v)),
    "Softplus": (lambda v: np.logaddexp(0, v), lambda v, y: 0.5 * (1 + np.tanh(0.5 * v))),
    "Softsign": (lambda v: v / (1 + np.abs(v)), lambda v, y: 1 / (1 + np.abs(v)) ** 2),
    "Sqrt": (np.sqrt, lambda v, y: 0.5 / y),
    "Tan": (np.tan, lambda v, y: 1 + y * y),
    "Tanh": (np.tanh, lambda v, y: 1 - y * y),
}
STEPS = {"Ceil": np.ceil, "Floor": np.floor, "Round": np.round, "Sign": np.sign}
TESTS = {
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


@operator(*UNARY)
def smooth_function(node, x):
    return unary(x, *UNARY[node.kind])


@operator(*STEPS)
def step_function(node, x):
    v = val(x)
    if node.kind == "Sign":
        note_kink(x, v)
    else:
        from_jump = v - 0.5 if node.kind == "Round" else v
        note_kink(x, from_jump - np.round(from_jump))
    return unary(x, STEPS[node.kind], lambda v, y: np.zeros(v.shape))


@operator(*TESTS)
def test_function(node, a, b):
    if node.kind not in ("And", "Or", "Xor"):
        for x in (a, b):
            note_kink(x, val(a) - val(b))
    return TESTS[node.kind](val(a), val(b))


@operator("Not")
def logical_not(_, x):
    return np.logical_not(val(x))


@operator("IsNaN")
def is_nan(_, x):
    return np.isnan(val(x))


@operator("Add")
def add(_, a, b):
    return tape.add(a, b)


@operator("Sub")
def sub(_, a, b):
    return tape.sub(a, b)


@operator("Mul")
def mul(_, a, b):
    return tape.mul(a, b)


@operator("Div")
def div(_, a, b):
    if val(a).dtype != np.float64:  # integer division truncates towards zero
        return np.asarray(np.trunc(val(a) / val(b)), val(a).dtype)
    return tape.div(a, b)


@operator("Pow")
def power(_, a, b):
    return tape.power(a, widen(val(b)) if not isinstance(b, tape.Var) else b)


@operator("Mod")
def modulo(node, a, b):
    va, vb = val(a), val(b)
    function = np.fmod if node.get("fmod", 0) else np.mod
    if va.dtype == np.float64:
        note_kink(a, va / vb - np.round(va / vb))
    return tape.binary(a, b, function, lambda p, q, y: 1, lambda p, q, y: -np.round((p - y) / q))


@operator("Max", "Min", "Sum", "Mean")
def variadic(node, *xs):
    result = xs[0]
    for x in xs[1:]:
        if node.kind in ("Max", "Min"):
            for side in (result, x):
                note_kink(side, val(result) - val(x))
            first = val(result) >= val(x) if node.kind == "Max" else val(result) <= val(x)
            result = tape.where(first, result, x)
        else:
            result = tape.add(result, x)
    return tape.mul(result, 1.0 / len(xs)) if node.kind == "Mean" else result


@operator("Where")
def where(_, condition, a, b):
    return tape.where(condition, a, b)


@operator("Abs")
def absolute(_, x):
    return tape.absolute(x) if val(x).dtype == np.float64 else np.abs(val(x))


@operator("Erf")
def erf(_, x):
    return tape.erf(x)


@operator("Sigmoid")
def sigmoid(_, x):
    return tape.sigmoid(x)


@operator("Relu")
def relu(_, x):
    return tape.relu(x)


@operator("Clip")
def clip(node, x, low=None, high=None):
    low = node.get("min") if low is None else float(val(low))
    high = node.get("max") if high is None else float(val(high))
    for bound in (low, high):
        if bound is not None:
            note_kink(x, val(x) - bound)
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    return unary(x, lambda v: np.clip(v, low, high), lambda v, y: (v >= low) & (v <= high))


def _pieces(x, joint, below, slope_below, above=lambda v: v, slope_above=lambda v: np.ones(v.shape)):
    """One function below a joint, another above it."""
    note_kink(x, val(x) - joint)
    return unary(
        x,
        lambda v: np.where(v > joint, above(v), below(np.minimum(v, joint))),
        lambda v, y: np.where(v > joint, slope_above(v), slope_below(np.minimum(v, joint))),
    )


@operator("LeakyRelu")
def leaky_relu(node, x):
    a = node.get("alpha", 0.01)
    return _pieces(x, 0.0, lambda v: a * v, lambda v: np.full(v.shape, a))


@operator("PRelu")
def prelu(_, x, slope):
    note_kink(x, val(x))
    positive = val(x) > 0
    return tape.add(tape.mul(x, positive * 1.0), tape.mul(tape.mul(x, 1.0 - positive), slope))


@operator("Elu")
def elu(node, x):
    a = node.get("alpha", 1.0)
    return _pieces(x, 0.0, lambda v: a * np.expm1(v), lambda v: a * np.exp(v))


@operator("Celu")
def celu(node, x):
    a = node.get("alpha", 1.0)
    return _pieces(x, 0.0, lambda v: a * np.expm1(v / a), lambda v: np.exp(v / a))


@operator("Selu")
def selu(node, x):
    a, c = node.get("alpha", 1.6732631921768188), node.get("gamma", 1.0507010221481323)
    below, slope_below = (lambda v: c * a * np.expm1(v)), (lambda v: c * a * np.exp(v))
    return _pieces(x, 0.0, below, slope_below, lambda v: c * v, lambda v: np.full(v.shape, c))


@operator("ThresholdedRelu")
def thresholded_relu(node, x):
    return _pieces(x, node.get("alpha", 1.0), np.zeros_like, np.zeros_like)


@operator("Shrink")
def shrink(node, x):
    bias, joint = node.get("bias", 0.0), node.get("lambd", 0.5)
    for edge in (joint, -joint):
        note_kink(x, val(x) - edge)
    return unary(
        x,
        lambda v: np.where(v < -joint, v + bias, np.where(v > joint, v - bias, 0.0)),
        lambda v, y: np.abs(v) > joint,
    )


def hard_sigmoid(x, a, b):
    for bound in (0.0, 1.0):
        note_kink(x, a * val(x) + b - bound)
    return unary(x, lambda v: np.clip(a * v + b, 0, 1), lambda v, y: a * ((a * v + b > 0) & (a * v + b < 1)))


@operator("HardSigmoid")
def hard_sigmoid_operator(node, x):
    return hard_sigmoid(x, node.get("alpha", 0.2), node.get("beta", 0.5))


@operator("HardSwish")
def hard_swish(_, x):
    return tape.mul(x, hard_sigmoid(x, 1.0 / 6.0, 0.5))


@operator("Mish")
def mish(_, x):
    return tape.mul(x, tape.tanh(unary(x, *UNARY["Softplus"])))


@operator("Swish")
def swish(node, x):
    return tape.mul(x, tape.sigmoid(tape.mul(x, node.get("alpha", 1.0))))


@operator("Gelu")
def gelu(node, x):
    if node.get("approximate", "none") == "tanh":
        cubic = tape.add(x, tape.mul(tape.power(x, 3.0), 0.044715))
        gate = tape.tanh(tape.mul(cubic, math.sqrt(2 / math.pi)))
    else:
        gate = tape.erf(tape.mul(x, math.sqrt(0.5)))
    return tape.mul(tape.mul(x, 0.5), tape.add(gate, 1.0))


# Reductions


@operator("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2")
@operator("ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")
def reduce(node, x, axes=None):
    kind, keepdims = node.kind[6:], bool(node.get("keepdims", 1))
    axes = node.get("axes") if axes is None else integers(axes)
    if not axes:
        if node.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(val(x).ndim))
    if val(x).dtype != np.float64:
        function = {"Sum": np.sum, "Max": np.max, "Min": np.min, "Prod": np.prod}[kind]
        return np.asarray(function(val(x), axis=tuple(axes), keepdims=keepdims))
    if kind == "Sum":
        return tape.total(x, axes, keepdims)
    if kind == "Mean":
        return tape.mean(x, axes, keepdims)
    if kind == "Max":
        return tape.maximum(x, axes, keepdims)
    if kind == "Min":
        return tape.mul(tape.maximum(tape.mul(x, -1.0), axes, keepdims), -1.0)
    if kind == "L1":
        return tape.total(tape.absolute(x), axes, keepdims)
    if kind == "L2":
        return tape.sqrt(tape.total(tape.mul(x, x), axes, keepdims))
    if kind == "SumSquare":
        return tape.total(tape.mul(x, x), axes, keepdims)
    if kind == "LogSum":
        return tape.log(tape.total(x, axes, keepdims))
    if kind == "LogSumExp":
        return tape.log(tape.total(tape.exp(x), axes, keepdims))
    return _product(x, axes, keepdims)


def _product(x, axes, keepdims):
    v = val(x)
    y = v.prod(axis=tuple(axes), keepdims=True)

    def back(g):
        # y / v would fail at zeros; the products of the others do not.
        rest = [i for i in range(v.ndim) if i not in [a % v.ndim for a in axes]]
        order = [*rest, *(a % v.ndim for a in axes)]
        moved = v.transpose(order).reshape(math.prod(v.shape[i] for i in rest), -1)
        others = np.stack([np.delete(moved, i, 1).prod(1) for i in range(moved.shape[1])], 1)
        return g.reshape(y.shape) * others.reshape([v.shape[i] for i in order]).transpose(np.argsort(order))

    return tape.node(y if keepdims else y.squeeze(tuple(axes)), (x, back))


@operator("ArgMax", "ArgMin")
def arg_extreme(node, x):
    axis, sign = node.get("axis", 0), 1 if node.kind == "ArgMax" else -1
    tape.maximum(tape.mul(x, sign), [axis])  # notes how near the runner-up is
    found = np.argmax(sign * val(x), axis)
    return np.expand_dims(found, axis) if node.get("keepdims", 1) else found


@operator("CumSum")
def running_sum(node, x, axis):
    axis, exclusive, reverse = integers(axis)[0], node.get("exclusive", 0), node.get("reverse", 0)

    def flip(value):
        return tape.rearrange(value, lambda p: np.flip(p, axis)) if reverse else value

    y = tape.running_sum(flip(x), axis)
    return flip(tape.sub(y, flip(x)) if exclusive else y)


# Products


@operator("MatMul")
def matmul(_, a, b):
    rank_a, rank_b = val(a).ndim, val(b).ndim
    a = tape.reshape(a, (1, -1)) if rank_a == 1 else a
    b = tape.reshape(b, (-1, 1)) if rank_b == 1 else b
    y = tape.matmul(a, b)
    shape = list(val(y).shape)
    if rank_a == 1:
        del shape[-2]
    if rank_b == 1:
        del shape[-1]
    return tape.reshape(y, shape)


@operator("Gemm")
def gemm(node, a, b, c=None):
    a = tape.transpose(a, (1, 0)) if node.get("transA", 0) else a
    b = tape.transpose(b, (1, 0)) if node.get("transB", 0) else b
    y = tape.mul(tape.matmul(a, b), node.get("alpha", 1.0))
    return y if c is None else tape.add(y, tape.mul(c, node.get("beta", 1.0)))


@operator("Einsum")
def einsum(node, *xs):
    equation = node.get("equation").replace(" ", "")
    left, _, right = equation.partition("->")
    written = left.split(",")
    rank = max((val(x).ndim - len(t.replace("...", "")) for x, t in zip(xs, written) if "..." in t), default=0)

    def names(term, ndim=None):
        head, dots, tail = term.partition("...")
        count = rank if ndim is None else ndim - len(head) - len(tail)
        return [*head, *(f"dot{i}" for i in range(rank - count, rank) if dots), *tail]

    terms = [names(t, val(x).ndim) for t, x in zip(written, xs)]
    if not right and "->" not in equation:
        single = sorted(c for c in set(left) - set(".,") if left.count(c) == 1)
        result = names(("..." if "..." in left else "") + "".join(single))
    else:
        result = names(right)
    xs = list(xs)
    for i, term in enumerate(terms):
        for name in [n for n in dict.fromkeys(term) if term.count(n) > 1]:
            p, q = [j for j, n in enumerate(term) if n == name][:2]
            xs[i] = tape.rearrange(xs[i], lambda a, p=p, q=q: np.diagonal(a, axis1=p, axis2=q))
            terms[i] = [n for j, n in enumerate(term) if j not in (p, q)] + [name]
            term = terms[i]
    return tape.einsum(terms, result, xs)
