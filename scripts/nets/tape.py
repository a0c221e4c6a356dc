"""A small reverse-mode tape over numpy arrays in f64: the primitives that every ONNX operator here is written with.

A value is a plain ndarray (does not depend on an input) or a `Var`. A primitive returns a `Var` only when one of its
operands is one, so that shape arithmetic, indices and folded constants need no special care. Nothing here knows ONNX.

`kinks` collects, during a forward pass, how far each piecewise operator stayed from the place where it bends or jumps
(relu at 0, the runner-up of a maximum ...). A test point is smooth enough for an f32 comparison when the smallest of
these margins is well above the f32 rounding of the activations.
"""

import heapq
import itertools
import math

import numpy as np

kinks = []
single_precision = False  # simulate it: every value and gradient is rounded to f32 (see reference.rounding_error)
_order = itertools.count()


class Var:
    """A value that depends on an input, with one (source, pullback) pair for each operand that does."""

    __slots__ = ("value", "edges", "order")

    def __init__(self, value, edges=()):
        self.value = value
        self.edges = edges
        self.order = next(_order)

    @property
    def shape(self):
        return self.value.shape


def val(x):
    return x.value if isinstance(x, Var) else np.asarray(x)


def rounded(array):
    return np.asarray(array, np.float32).astype(np.float64) if single_precision else np.asarray(array)


def node(value, *edges):
    edges = tuple(edge for edge in edges if isinstance(edge[0], Var))
    return Var(rounded(value), edges) if edges else np.asarray(value)


def note_kink(x, distance):
    """Remembers the smallest distance from a kink, if `x` depends on an input at all."""
    if isinstance(x, Var) and np.size(distance):
        kinks.append(float(np.min(np.abs(distance))))


def gradients(outputs, cotangents, inputs):
    """The sum over outputs of (d output / d input)^T cotangent, one array for each input."""
    collected = {}
    waiting = []

    def add(var, gradient):
        gradient = rounded(gradient)
        if id(var) not in collected:
            collected[id(var)] = gradient
            heapq.heappush(waiting, (-var.order, id(var), var))
        else:
            collected[id(var)] = collected[id(var)] + gradient

    for output, cotangent in zip(outputs, cotangents):
        if isinstance(output, Var):
            add(output, np.asarray(cotangent, np.float64))
    kept = {id(x) for x in inputs}
    while waiting:
        _, key, var = heapq.heappop(waiting)
        gradient = collected[key] if key in kept else collected.pop(key)
        for source, pullback in var.edges:
            add(source, pullback(gradient))
    return [collected.get(id(x), np.zeros(val(x).shape)) for x in inputs]


def unbroadcast(gradient, shape):
    """Sums a gradient over the axes that broadcasting added or stretched."""
    if gradient.shape == tuple(shape):
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=stretched, keepdims=True).reshape(shape)


# Element-wise


def unary(x, function, slope):
    """`slope(x, y)` is the derivative; both functions work on whole arrays."""
    v = val(x)
    y = function(v)
    return node(y, (x, lambda g: g * slope(v, y)))


def binary(a, b, function, slope_a, slope_b):
    va, vb = val(a), val(b)
    y = function(va, vb)
    return node(
        y,
        (a, lambda g: unbroadcast(g * slope_a(va, vb, y), va.shape)),
        (b, lambda g: unbroadcast(g * slope_b(va, vb, y), vb.shape)),
    )


def add(a, b):
    return binary(a, b, np.add, lambda p, q, y: 1, lambda p, q, y: 1)


def sub(a, b):
    return binary(a, b, np.subtract, lambda p, q, y: 1, lambda p, q, y: -1)


def mul(a, b):
    return binary(a, b, np.multiply, lambda p, q, y: q, lambda p, q, y: p)


def div(a, b):
    return binary(a, b, np.divide, lambda p, q, y: 1 / q, lambda p, q, y: -y / q)


def power(a, b):
    def log_slope(p, q, y):
        return y * np.log(np.where(p > 0, p, 1))

    return binary(a, b, np.power, lambda p, q, y: q * np.power(p, q - 1.0), log_slope)


def where(condition, a, b):
    condition, va, vb = val(condition), val(a), val(b)
    return node(
        np.where(condition, va, vb),
        (a, lambda g: unbroadcast(np.where(condition, g, 0), va.shape)),
        (b, lambda g: unbroadcast(np.where(condition, 0, g), vb.shape)),
    )


def exp(x):
    return unary(x, np.exp, lambda v, y: y)


def log(x):
    return unary(x, np.log, lambda v, y: 1 / v)


def sqrt(x):
    return unary(x, np.sqrt, lambda v, y: 0.5 / y)


def tanh(x):
    return unary(x, np.tanh, lambda v, y: 1 - y * y)


def sigmoid(x):
    return unary(x, lambda v: 0.5 * (1 + np.tanh(0.5 * v)), lambda v, y: y * (1 - y))


def absolute(x):
    note_kink(x, val(x))
    return unary(x, np.abs, lambda v, y: np.sign(v))


def relu(x):
    note_kink(x, val(x))
    return unary(x, lambda v: np.maximum(v, 0), lambda v, y: v > 0)


_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x):
    return unary(x, lambda v: _erf(v).astype(np.float64), lambda v, y: 2 / math.sqrt(math.pi) * np.exp(-v * v))


# Shape


def reshape(x, shape):
    v = val(x)
    return node(v.reshape(shape), (x, lambda g: g.reshape(v.shape)))


def transpose(x, permutation):
    back = np.argsort(permutation)
    return node(val(x).transpose(permutation), (x, lambda g: g.transpose(back)))


def expand(x, shape):
    v = val(x)
    return node(np.broadcast_to(v, np.broadcast_shapes(v.shape, tuple(shape))), (x, lambda g: unbroadcast(g, v.shape)))


def index(x, key):
    """Basic indexing only (slices, integers): every element is taken at most once."""
    v = val(x)

    def back(g):
        full = np.zeros(v.shape)
        full[key] = g
        return full

    return node(v[key], (x, back))


def pick(x, flat):
    """Elements of `x` by their flat index, in any arrangement and any number of times."""
    v = val(x)
    flat = np.asarray(flat, np.int64)

    def back(g):
        return np.bincount(flat.ravel(), weights=g.ravel(), minlength=v.size).reshape(v.shape)

    return node(v.reshape(-1)[flat], (x, back))


def rearrange(x, how):
    """`how` works on an array of positions shaped like `x`; the result holds the elements from those positions."""
    return pick(x, how(np.arange(val(x).size).reshape(val(x).shape)))


def concat(parts, axis):
    cuts = np.cumsum([val(p).shape[axis] for p in parts])[:-1]
    edges = [(p, lambda g, i=i: np.split(g, cuts, axis)[i]) for i, p in enumerate(parts)]
    return node(np.concatenate([val(p) for p in parts], axis), *edges)


def stack(parts, axis):
    shaped = []
    for part in parts:
        shape = list(val(part).shape)
        shape.insert(axis % (len(shape) + 1), 1)
        shaped.append(reshape(part, shape))
    return concat(shaped, axis)


def pad(x, before, after, value=0.0):
    """Constant padding; a negative amount crops."""
    v = val(x)
    crop = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, b, a in zip(v.shape, before, after))
    widths = [(max(b, 0), max(a, 0)) for b, a in zip(before, after)]
    x = index(x, crop) if any(b < 0 or a < 0 for b, a in zip(before, after)) else x
    v = val(x)
    inner = tuple(slice(b, b + n) for (b, _), n in zip(widths, v.shape))
    return node(np.pad(v, widths, constant_values=value), (x, lambda g: g[inner]))


# Reductions


def total(x, axes=None, keepdims=False):
    v = val(x)
    axes = tuple(range(v.ndim)) if axes is None else tuple(a % v.ndim for a in axes)
    kept = [1 if i in axes else n for i, n in enumerate(v.shape)]
    return node(v.sum(axis=axes, keepdims=keepdims), (x, lambda g: np.broadcast_to(g.reshape(kept), v.shape)))


def mean(x, axes=None, keepdims=False):
    v = val(x)
    count = v.size if axes is None else math.prod(v.shape[a] for a in axes)
    return mul(total(x, axes, keepdims), 1.0 / count)


def first_maximum(x):
    """The maximum over the last axis; among equals the first one counts."""
    v = val(x)
    if v.shape[-1] > 1:
        best = np.partition(v, -2, axis=-1)[..., -2:]
        note_kink(x, (best[..., 1] - best[..., 0])[(best != 0).any(-1)])  # zeros that tie come from a relu: no slope
    rows = np.arange(math.prod(v.shape[:-1])).reshape(v.shape[:-1])
    return pick(x, rows * v.shape[-1] + np.argmax(v, axis=-1))


def maximum(x, axes=None, keepdims=False):
    v = val(x)
    axes = tuple(range(v.ndim)) if axes is None else tuple(sorted(a % v.ndim for a in axes))
    rest = [i for i in range(v.ndim) if i not in axes]
    moved = reshape(transpose(x, [*rest, *axes]), [*(v.shape[i] for i in rest), -1])
    kept = [1 if i in axes else n for i, n in enumerate(v.shape)]
    y = first_maximum(moved)
    return reshape(y, kept) if keepdims else y


def running_sum(x, axis):
    def back(g):
        return np.flip(np.cumsum(np.flip(g, axis), axis), axis)

    return node(np.cumsum(val(x), axis), (x, back))


# Products


def matmul(a, b):
    """As numpy's, for operands of two or more axes."""
    va, vb = val(a), val(b)
    shape_a, shape_b = va.shape, vb.shape  # a pullback must not keep the other operand alive: it can be large
    return node(
        va @ vb,
        (a, lambda g: unbroadcast(g @ vb.swapaxes(-1, -2), shape_a)),
        (b, lambda g: unbroadcast(va.swapaxes(-1, -2) @ g, shape_b)),
    )


def einsum(terms, result, operands):
    """`terms`: one list of axis names for each operand, no name twice within a term."""
    values = [val(x) for x in operands]
    sizes = {name: n for term, v in zip(terms, values) for name, n in zip(term, v.shape) if n != 1}
    number = {name: i for i, name in enumerate(sorted({name for term in terms for name in term}))}

    def evaluate(arrays, array_terms, target):
        flat = [part for a, t in zip(arrays, array_terms) for part in (a, [number[n] for n in t])]
        return np.einsum(*flat, [number[n] for n in target], optimize=True)

    def pull(g, i):
        others = [(v, t) for j, (v, t) in enumerate(zip(values, terms)) if j != i]
        arrays, array_terms = [g, *(v for v, _ in others)], [result, *(t for _, t in others)]
        for name in terms[i]:  # an axis that only this operand has was summed there: spread it again
            if not any(name in t for t in array_terms):
                arrays.append(np.ones(sizes.get(name, 1)))
                array_terms.append([name])
        return unbroadcast(evaluate(arrays, array_terms, terms[i]), values[i].shape)

    edges = [(x, lambda g, i=i: pull(g, i)) for i, x in enumerate(operands)]
    return node(evaluate(values, terms, result), *edges)


# Windows: convolution and pooling


def windows(x, kernel, strides, dilations):
    """[N, C, *S] -> [N, C, *kernel, *out]: what each kernel tap sees at each output position. No padding."""
    v = val(x)
    return node(
        _take_windows(v, kernel, strides, dilations),
        (x, lambda g: _add_windows(g, v.shape[2:], kernel, strides, dilations)),
    )


def overlap_add(columns, size, kernel, strides, dilations):
    """The adjoint of `windows`: [N, C, *kernel, *out] -> [N, C, *size]."""
    return node(
        _add_windows(val(columns), tuple(size), kernel, strides, dilations),
        (columns, lambda g: _take_windows(g, kernel, strides, dilations)),
    )


def _take_windows(v, kernel, strides, dilations):
    rank = len(kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    seen = np.lib.stride_tricks.sliding_window_view(v, reach, axis=tuple(range(2, 2 + rank)))
    key = [slice(None), slice(None), *(slice(None, None, s) for s in strides)]
    key += [slice(None, None, d) for d in dilations]
    order = [0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank)]
    return seen[tuple(key)].transpose(order)


def _add_windows(g, size, kernel, strides, dilations):
    out = g.shape[2 + len(kernel) :]
    full = np.zeros((*g.shape[:2], *size))
    for tap in itertools.product(*map(range, kernel)):
        place = [slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilations, out, strides)]
        full[(slice(None), slice(None), *place)] += g[(slice(None), slice(None), *tap)]
    return full
