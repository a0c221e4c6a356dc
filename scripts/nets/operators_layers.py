"""Convolutions, pools, normalisations and softmax of the f64 judge; see reverse.py."""

import math

import numpy as np

from . import tape
from .reverse import operator, resolve_padding
from .tape import val


@operator("Conv")
def convolution(node, x, w, b=None):
    n, c, *size = val(x).shape
    m, per_group, *kernel = val(w).shape
    rank, groups = len(kernel), node.get("group", 1)
    strides = node.get("strides") or [1] * rank
    dilations = node.get("dilations") or [1] * rank
    before, after = resolve_padding(node, size, kernel, strides, dilations)
    columns = tape.windows(tape.pad(x, [0, 0, *before], [0, 0, *after]), kernel, strides, dilations)
    out = val(columns).shape[2 + rank :]
    columns = tape.reshape(columns, (n, groups, per_group * math.prod(kernel), math.prod(out)))
    y = tape.matmul(tape.reshape(w, (groups, m // groups, -1)), columns)
    y = tape.reshape(y, (n, m, *out))
    return y if b is None else tape.add(y, tape.reshape(b, (m, *[1] * rank)))


@operator("ConvTranspose")
def transposed_convolution(node, x, w, b=None):
    n, c, *size = val(x).shape
    _, per_group, *kernel = val(w).shape
    rank, groups = len(kernel), node.get("group", 1)
    strides = node.get("strides") or [1] * rank
    dilations = node.get("dilations") or [1] * rank
    extra = node.get("output_padding") or [0] * rank
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    covered = [(i - 1) * s + r for i, s, r in zip(size, strides, reach)]
    before, out = _transposed_geometry(node, size, covered, strides, extra)

    columns = tape.matmul(
        tape.transpose(tape.reshape(w, (groups, c // groups, -1)), (0, 2, 1)),
        tape.reshape(x, (n, groups, c // groups, -1)),
    )
    m = groups * per_group
    columns = tape.reshape(columns, (n, m, *kernel, *size))
    whole = tape.overlap_add(columns, covered, kernel, strides, dilations)
    after = [o - (t - p) for o, t, p in zip(out, covered, before)]
    y = tape.pad(whole, [0, 0, *(-p for p in before)], [0, 0, *after])
    return y if b is None else tape.add(y, tape.reshape(b, (m, *[1] * rank)))


def _transposed_geometry(node, size, covered, strides, extra):
    """Cropped rows before the first output row, and the output size."""
    rank, mode = len(size), node.get("auto_pad", "NOTSET")
    out = node.get("output_shape")
    if out is not None or mode in ("SAME_UPPER", "SAME_LOWER"):
        out = list(out)[-rank:] if out is not None else [i * s for i, s in zip(size, strides)]
        surplus = [t + e - o for t, e, o in zip(covered, extra, out)]
        return [p // 2 if mode == "SAME_UPPER" else p - p // 2 for p in surplus], out  # so the specification
    pads = node.get("pads") if mode == "NOTSET" else None
    pads = pads or [0] * (2 * rank)
    return list(pads[:rank]), [t + e - p - q for t, e, p, q in zip(covered, extra, pads[:rank], pads[rank:])]


# Pools


def _pooled_windows(node, x, fill):
    """Windows [N, C, *out, taps] over the padded input, and over a mask of the cells that count (1) or do not (0)."""
    size = val(x).shape[2:]
    kernel = node.get("kernel_shape")
    rank = len(kernel)
    strides = node.get("strides") or [1] * rank
    dilations = node.get("dilations") or [1] * rank
    before, after = resolve_padding(node, size, kernel, strides, dilations)
    beyond = [0] * rank
    if node.get("ceil_mode", 0) and node.get("auto_pad", "NOTSET") == "NOTSET":
        for i in range(rank):
            padded = size[i] + before[i] + after[i]
            reach = (kernel[i] - 1) * dilations[i] + 1
            steps = math.ceil((padded - reach) / strides[i])
            if steps * strides[i] >= size[i] + before[i]:
                steps -= 1  # a window that would start in the padding behind the input is dropped
            beyond[i] = max(steps * strides[i] + reach - padded, 0)

    def taken(value, inner_fill, outer_fill):
        value = tape.pad(value, [0, 0, *before], [0, 0, *after], inner_fill)
        value = tape.pad(value, [0] * (2 + rank), [0, 0, *beyond], outer_fill)
        taps = tape.windows(value, kernel, strides, dilations)
        order = [0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank)]
        taps = tape.transpose(taps, order)
        return tape.reshape(taps, (*val(taps).shape[: 2 + rank], -1))

    counted = taken(np.ones((1, 1, *size)), float(node.get("count_include_pad", 0)), 0.0)
    return taken(x, fill, fill), counted


@operator("MaxPool")
def max_pool(node, x):
    taps, _ = _pooled_windows(node, x, -np.inf)
    y = tape.first_maximum(taps)
    if node.outputs == 1:
        return y
    places = np.arange(val(x).size, dtype=np.float64).reshape(val(x).shape)
    at, _ = _pooled_windows(node, places, -1.0)
    chosen = np.argmax(val(taps), -1)[..., None]
    return y, np.take_along_axis(at, chosen, -1)[..., 0].astype(np.int64)


@operator("AveragePool")
def average_pool(node, x):
    taps, counted = _pooled_windows(node, x, 0.0)
    return tape.div(tape.total(taps, [-1]), counted.sum(-1))


def _p_norm(values, p, axes, keepdims):
    if p == 1:
        return tape.total(tape.absolute(values), axes, keepdims)
    magnitude = tape.unary(values, lambda v: np.abs(v) ** p, lambda v, y: p * np.sign(v) * np.abs(v) ** (p - 1))
    return tape.power(tape.total(magnitude, axes, keepdims), 1.0 / p)


@operator("LpPool")
def lp_pool(node, x):
    taps, _ = _pooled_windows(node, x, 0.0)
    return _p_norm(taps, node.get("p", 2), [-1], False)


@operator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(node, x):
    axes = list(range(2, val(x).ndim))
    if node.kind == "GlobalAveragePool":
        return tape.mean(x, axes, True)
    if node.kind == "GlobalMaxPool":
        return tape.maximum(x, axes, True)
    return _p_norm(x, node.get("p", 2), axes, True)


@operator("Col2Im")
def column_to_image(node, x, image, block):
    kernel, size = [int(v) for v in val(block)], [int(v) for v in val(image)]
    rank = len(kernel)
    strides = node.get("strides") or [1] * rank
    dilations = node.get("dilations") or [1] * rank
    pads = node.get("pads") or [0] * (2 * rank)
    padded = [n + p + q for n, p, q in zip(size, pads[:rank], pads[rank:])]
    out = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(padded, kernel, dilations, strides)]
    columns = tape.reshape(x, (val(x).shape[0], -1, *kernel, *out))
    whole = tape.overlap_add(columns, padded, kernel, strides, dilations)
    return tape.pad(whole, [0, 0, *(-p for p in pads[:rank])], [0, 0, *(-p for p in pads[rank:])])


# Normalisations


def _standardised(x, axes, epsilon):
    centred = tape.sub(x, tape.mean(x, axes, True))
    variance = tape.mean(tape.mul(centred, centred), axes, True)
    return tape.div(centred, tape.sqrt(tape.add(variance, epsilon)))


def _by_channel(parameter, rank):
    return tape.reshape(parameter, (-1, *[1] * (rank - 2)))


@operator("BatchNormalization")
def batch_normalization(node, x, scale, bias, mean, variance):
    rank = val(x).ndim
    slope = tape.div(scale, tape.sqrt(tape.add(variance, node.get("epsilon", 1e-5))))
    centred = tape.sub(x, _by_channel(mean, rank))
    return tape.add(tape.mul(centred, _by_channel(slope, rank)), _by_channel(bias, rank))


@operator("InstanceNormalization")
def instance_normalization(node, x, scale, bias):
    rank = val(x).ndim
    y = _standardised(x, list(range(2, rank)), node.get("epsilon", 1e-5))
    return tape.add(tape.mul(y, _by_channel(scale, rank)), _by_channel(bias, rank))


@operator("GroupNormalization")
def group_normalization(node, x, scale, bias):
    shape, groups = val(x).shape, node.get("num_groups")
    y = _standardised(tape.reshape(x, (shape[0], groups, -1)), [2], node.get("epsilon", 1e-5))
    if node.opset < 21:  # one pair of parameters for each group
        shared = [tape.reshape(p, (groups, 1)) for p in (scale, bias)]
        return tape.reshape(tape.add(tape.mul(y, shared[0]), shared[1]), shape)
    y = tape.reshape(y, shape)
    return tape.add(tape.mul(y, _by_channel(scale, len(shape))), _by_channel(bias, len(shape)))


@operator("LayerNormalization")
def layer_normalization(node, x, scale, bias=None):
    rank = val(x).ndim
    axes = list(range(node.get("axis", -1) % rank, rank))
    epsilon = node.get("epsilon", 1e-5)
    y = tape.mul(_standardised(x, axes, epsilon), scale)
    y = y if bias is None else tape.add(y, bias)
    if node.outputs == 1:
        return y
    centred = tape.sub(x, tape.mean(x, axes, True))
    spread = tape.sqrt(tape.add(tape.mean(tape.mul(centred, centred), axes, True), epsilon))
    return (y, tape.mean(x, axes, True), tape.div(1.0, spread))[: node.outputs]


@operator("RMSNormalization")
def rms_normalization(node, x, scale):
    rank = val(x).ndim
    axes = list(range(node.get("axis", -1) % rank, rank))
    square = tape.mean(tape.mul(x, x), axes, True)
    return tape.mul(tape.div(x, tape.sqrt(tape.add(square, node.get("epsilon", 1e-5)))), scale)


@operator("LpNormalization")
def lp_normalization(node, x):
    return tape.div(x, _p_norm(x, node.get("p", 2), [node.get("axis", -1)], True))


@operator("MeanVarianceNormalization")
def mean_variance_normalization(node, x):
    return _standardised(x, list(node.get("axes") or (0, 2, 3)), 0.0)


@operator("LRN")
def local_response_normalization(node, x):
    span, channels = node.get("size"), val(x).shape[1]
    rank = val(x).ndim
    low = (span - 1) // 2
    squares = tape.pad(tape.mul(x, x), [0, low, *[0] * (rank - 2)], [0, span - 1 - low, *[0] * (rank - 2)])
    shifted = [tape.index(squares, (slice(None), slice(i, i + channels))) for i in range(span)]
    total = shifted[0]
    for part in shifted[1:]:
        total = tape.add(total, part)
    base = tape.add(tape.mul(total, node.get("alpha", 1e-4) / span), node.get("bias", 1.0))
    return tape.mul(x, tape.power(base, -node.get("beta", 0.75)))


# Softmax


@operator("Softmax", "LogSoftmax", "Hardmax")
def softmax(node, x):
    shape, rank = val(x).shape, val(x).ndim
    if node.opset < 13:  # everything from the axis on is one distribution
        axis = node.get("axis", 1) % rank
        flat = tape.reshape(x, (math.prod(shape[:axis]), -1))
        return tape.reshape(_softmax(node.kind, flat, 1), shape)
    return _softmax(node.kind, x, node.get("axis", -1) % rank)


def _softmax(kind, x, axis):
    if kind == "Hardmax":
        best = np.argmax(val(x), axis)
        tape.maximum(x, [axis])  # notes how near the runner-up is
        hot = np.moveaxis(np.eye(val(x).shape[axis])[best], -1, axis)
        return tape.unary(x, lambda v: hot, lambda v, y: np.zeros(v.shape))
    shifted = tape.sub(x, val(x).max(axis, keepdims=True))
    weight = tape.exp(shifted)
    whole = tape.total(weight, [axis], True)
    return tape.div(weight, whole) if kind == "Softmax" else tape.sub(shifted, tape.log(whole))


@operator("MaxUnpool")
def max_unpool(node, x, indices, shape=None):
    size = val(x).shape
    kernel = node.get("kernel_shape")
    rank = len(kernel)
    strides, pads = node.get("strides") or [1] * rank, node.get("pads") or [0] * (2 * rank)
    out = [(n - 1) * s - pads[i] - pads[rank + i] + k for i, (n, s, k) in enumerate(zip(size[2:], strides, kernel))]
    out = [*size[:2], *out] if shape is None else [int(v) for v in val(shape)]
    flat = val(indices).ravel()
    if len(set(flat)) != len(flat):
        raise NotImplementedError("MaxUnpool with repeated indices")
    place = np.full(math.prod(out), val(x).size)
    place[flat] = np.arange(val(x).size)
    cells = tape.concat([tape.reshape(x, (-1,)), np.zeros(1)], 0)
    return tape.reshape(tape.pick(cells, place), out)
