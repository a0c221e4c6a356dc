"""Random cases of convolutions, pools, normalisations, resizing, sampling and recurrence; see random_cases.py."""

import math

import numpy as np
from onnx import TensorProto, helper

from .build import grid
from .random_cases import Retry, generator


def geometry(draw, size, reaches_over=True):
    """Random kernel_shape, strides, dilations and padding for windows over `size`."""
    rank = len(size)
    kernel = draw.integers(rank, 1, 4 if rank < 3 else 2)
    strides = draw.integers(rank, 1, 3)
    dilations = draw.integers(rank, 1, 2) if draw.maybe(0.4) else [1] * rank
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    attributes = dict(kernel_shape=kernel, strides=strides)
    if dilations != [1] * rank:
        attributes["dilations"] = dilations
    mode = draw.choice(["NOTSET"] * 5 + ["SAME_UPPER", "SAME_LOWER", "VALID"])
    padded = list(size)
    if mode == "NOTSET":
        limit = [r if reaches_over else k for r, k in zip(reach, kernel)]
        pads = [draw.integer(0, max(most - 1, 0)) if draw.maybe(0.6) else 0 for most in limit + limit]
        attributes["pads"] = pads
        padded = [n + a + b for n, a, b in zip(size, pads[:rank], pads[rank:])]
    else:
        attributes["auto_pad"] = mode
        if mode != "VALID" and (dilations != [1] * rank or any(k < s for k, s in zip(kernel, strides))):
            raise Retry("SAME with dilation, or with gaps between windows: implementations differ")
    if mode in ("NOTSET", "VALID") and any(r > n for r, n in zip(reach, padded)):
        raise Retry("no window")
    return attributes


def image(draw, channels_high=4):
    rank = draw.choice([1, 2, 2, 2, 3])
    batch, channels = draw.integer(1, 2), draw.integer(1, channels_high)
    high = {1: 16, 2: 7, 3: 4}[rank]
    size = draw.integers(rank, 2, high)
    if batch * channels * math.prod(size) > 80:
        raise Retry("large")
    return batch, channels, size


def grouped(draw, channels):
    return draw.choice([g for g in range(1, channels + 1) if channels % g == 0])


@generator("Conv", weight=16)
def conv(draw):
    net = draw.start()
    batch, channels, size = image(draw)
    attributes = geometry(draw, size)
    group = grouped(draw, channels)
    out = group * draw.integer(1, 3)
    x = net.input("x", [batch, channels, *size])
    weight = net.weight(out, channels // group, *attributes["kernel_shape"])
    bias = net.weight(out) if draw.maybe() else None
    net.output(net.op("Conv", x, weight, *([bias] if bias else []), group=group, **attributes))


@generator("ConvTranspose", weight=10)
def conv_transpose(draw):
    net = draw.start()
    batch, channels, size = image(draw)
    rank, group = len(size), grouped(draw, channels)
    kernel, strides = draw.integers(rank, 1, 3), draw.integers(rank, 1, 3)
    dilations = draw.integers(rank, 1, 2) if draw.maybe(0.3) else [1] * rank
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    attributes = dict(kernel_shape=kernel, strides=strides, dilations=dilations, group=group)
    form = draw.choice(["pads", "pads", "pads", "shape", "same"])
    if form == "pads":
        attributes["pads"] = [draw.integer(0, r - 1) if draw.maybe() else 0 for r in reach + reach]
        attributes["output_padding"] = [draw.integer(0, s - 1) for s in strides]
    elif form == "shape":
        attributes["output_shape"] = [(n - 1) * s + r - draw.integer(0, r - 1) for n, s, r in zip(size, strides, reach)]
    elif all(r >= s for r, s in zip(reach, strides)):
        attributes["auto_pad"] = draw.choice(["SAME_UPPER", "SAME_LOWER"])
    per_group = draw.integer(1, 3)
    x = net.input("x", [batch, channels, *size])
    weight = net.weight(channels, per_group, *kernel, scale=0.5)
    bias = [net.weight(group * per_group)] if draw.maybe() else []
    y = net.op("ConvTranspose", x, weight, *bias, **attributes)
    net.output(y)


@generator("MaxPool", weight=5)
def max_pool(draw):
    net = draw.start()
    batch, channels, size = image(draw)
    attributes = geometry(draw, size, reaches_over=False)
    x = net.input("x", [batch, channels, *size])
    if "auto_pad" not in attributes:
        attributes["ceil_mode"] = draw.integer(0, 1)
        limit_pads(attributes, size)
    net.output(net.op("MaxPool", x, **attributes))


def limit_pads(attributes, size):
    """At most half a kernel of padding, none with dilation: no window lies in the padding alone."""
    kernel = attributes["kernel_shape"]
    rank = len(kernel)
    dilations = attributes.get("dilations", [1] * rank)
    dilated = any(d > 1 for d in dilations)
    pads = [0 if dilated else min(p, kernel[i % rank] // 2) for i, p in enumerate(attributes["pads"])]
    for n, k, d, before, after in zip(size, kernel, dilations, pads[:rank], pads[rank:]):
        if (k - 1) * d + 1 > n + before + after:
            raise Retry("no window")
    attributes["pads"] = pads


@generator("AveragePool", weight=6)
def average_pool(draw):
    net = draw.start(draw.choice([17, 19, 22]))
    batch, channels, size = image(draw)
    attributes = geometry(draw, size, reaches_over=False)
    if net.opset < 19:
        attributes.pop("dilations", None)
    if "auto_pad" not in attributes:
        attributes["ceil_mode"] = draw.integer(0, 1)
        limit_pads(attributes, size)
    attributes["count_include_pad"] = draw.integer(0, 1)
    if attributes["count_include_pad"] and attributes.get("auto_pad", "").startswith("SAME"):
        raise Retry("whether SAME pads count is not specified")
    x = net.input("x", [batch, channels, *size])
    net.output(net.op("AveragePool", x, **attributes))


@generator("LpPool", weight=2)
def lp_pool(draw):
    net = draw.start(draw.choice([17, 18, 22]))
    batch, channels, size = image(draw)
    attributes = geometry(draw, size, reaches_over=False)
    if net.opset < 18:
        attributes.pop("dilations", None)
    if "pads" in attributes:
        limit_pads(attributes, size)
    x = net.input("x", [batch, channels, *size], span=(0.2, 2.0))
    net.output(net.op("LpPool", x, p=draw.integer(1, 3), **attributes))


@generator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", weight=2)
def global_pool(draw):
    net = draw.start()
    batch, channels, size = image(draw)
    attributes = dict(p=draw.integer(1, 3)) if draw.kind == "GlobalLpPool" else {}
    net.output(net.op(draw.kind, net.input("x", [batch, channels, *size]), **attributes))


# Normalisations: at least four elements share a statistic, else the gradient is nearly zero by construction.


def pair(net, shape):
    return net.uniform(0.5, 1.5, *shape), net.weight(*shape, scale=0.3)


@generator("BatchNormalization", weight=2)
def batch_normalization(draw):
    net = draw.start()
    batch, channels, size = image(draw)
    x = net.input("x", [batch, channels, *size])
    statistics = net.weight(channels, scale=0.3), net.uniform(0.5, 1.5, channels)
    net.output(net.op("BatchNormalization", x, *pair(net, [channels]), *statistics, epsilon=draw.choice([1e-5, 1e-3])))


@generator("InstanceNormalization", weight=2)
def instance_normalization(draw):
    net = draw.start()
    batch, channels, size = image(draw)
    if math.prod(size) < 4:
        raise Retry("few elements")
    x = net.input("x", [batch, channels, *size])
    net.output(net.op("InstanceNormalization", x, *pair(net, [channels]), epsilon=draw.choice([1e-5, 1e-3])))


@generator("GroupNormalization", weight=3)
def group_normalization(draw):
    net = draw.start(draw.choice([18, 21, 22]))
    batch, channels, size = image(draw, channels_high=6)
    groups = grouped(draw, channels)
    if channels // groups * math.prod(size) < 4:
        raise Retry("few elements")
    parameters = pair(net, [groups if net.opset < 21 else channels])
    x = net.input("x", [batch, channels, *size])
    net.output(net.op("GroupNormalization", x, *parameters, num_groups=groups, epsilon=1e-5))


@generator("LayerNormalization", "RMSNormalization", weight=3)
def layer_normalization(draw):
    rms = draw.kind == "RMSNormalization"
    net = draw.start(23 if rms else None)
    shape = draw.shape(draw.integer(2, 4), 1, 8)
    axis = draw.integer(1, len(shape) - 1)
    inner = shape[axis:]
    if math.prod(inner) < 4:
        raise Retry("few elements")
    x = net.input("x", shape)
    parameters = [net.uniform(0.5, 1.5, *inner)]
    if not rms and draw.maybe(0.7):
        parameters.append(net.weight(*inner, scale=0.3))
    net.output(net.op(draw.kind, x, *parameters, axis=axis - (len(shape) if draw.maybe() else 0), epsilon=1e-5))


@generator("LRN", weight=2)
def lrn(draw):
    net = draw.start()
    x = net.input("x", [draw.integer(1, 2), draw.integer(2, 8), draw.integer(1, 3), draw.integer(1, 2)], span=(-3, 3))
    net.output(
        net.op("LRN", x, size=draw.choice([1, 3, 5, 7]), alpha=draw.number(0.1, 1), beta=draw.number(0.4, 1), bias=1.5)
    )


@generator("LpNormalization", weight=1)
def lp_normalization(draw):
    net = draw.start()
    shape = draw.shape(3, 3, 5)
    net.output(net.op("LpNormalization", net.input("x", shape), axis=draw.integer(-1, 2), p=draw.integer(1, 2)))


@generator("MeanVarianceNormalization")
def mean_variance_normalization(draw):
    net = draw.start()
    shape = [draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 4), draw.integer(2, 3)]
    net.output(
        net.op("MeanVarianceNormalization", net.input("x", shape), axes=draw.choice([[0, 2, 3], [1, 2, 3], [2, 3]]))
    )


@generator("Softmax", "LogSoftmax", weight=3)
def softmax(draw):
    net = draw.start(draw.choice([9, 11, 13, 17, 22]))
    shape = draw.shape(draw.integer(2, 4), 2, 5)
    axis = draw.integer(0 if net.opset < 11 else -len(shape), len(shape) - 1)
    net.output(net.op(draw.kind, net.input("x", shape), axis=axis))


# Resizing and sampling


@generator("Resize", weight=14)
def resize(draw):
    net = draw.start(draw.choice([13, 17, 18, 19, 22]))
    rank = draw.choice([1, 2, 2, 2, 3])
    mode = draw.choice(["nearest", "linear", "linear", "cubic"])
    if mode == "cubic" and rank != 2:
        raise Retry("cubic is for images")
    size = draw.integers(rank, 2 if mode != "cubic" else 4, {1: 12, 2: 6, 3: 3}[rank])
    channels = draw.integer(1, 3)
    if channels * math.prod(size) > 80:
        raise Retry("large")
    transformations = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    if net.opset >= 19:
        transformations.append("half_pixel_symmetric")
    attributes = dict(mode=mode, coordinate_transformation_mode=draw.choice(transformations))
    if mode == "nearest":
        attributes["nearest_mode"] = draw.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        attributes.update(cubic_coeff_a=draw.choice([-0.75, -0.5]), exclude_outside=draw.integer(0, 1))
    if mode != "nearest" and net.opset >= 18 and draw.maybe(0.3):
        attributes.update(antialias=1, exclude_outside=1)
    x = net.input("x", [1, channels, *size])
    if attributes["coordinate_transformation_mode"] == "align_corners" or draw.maybe():
        target = [draw.integer(2, 2 * n + 1) for n in size]
        inputs = [None, None, [1, channels, *target]]
    else:
        scales = [draw.choice([s for s in (0.5, 1.0, 1.5, 2.0, 3.0) if s * n == int(s * n)]) for n in size]
        target = [int(s * n) for s, n in zip(scales, size)]
        inputs = [None, [1.0, 1.0, *scales]]
    if mode == "nearest" and near_ties(size, target, attributes):
        raise Retry("the nearest cell is a matter of rounding")
    net.output(net.op("Resize", x, *inputs, **attributes))


def near_ties(size, target, attributes):
    """Whether a source coordinate lies where f32 rounding may decide between two cells."""
    from .operators_sampling import source_coordinates

    for n, out in zip(size, target):
        x = source_coordinates(attributes["coordinate_transformation_mode"], out, n, out / n, None)
        edge = x - np.round(x) if attributes["nearest_mode"] in ("floor", "ceil") else x - 0.5 - np.round(x - 0.5)
        exact = (out % n == 0) or (n % out == 0)
        if not exact and (np.abs(edge) < 1e-3).any():
            return True
    return False


@generator("GridSample", weight=8)
def grid_sample(draw):
    net = draw.start(draw.choice([17, 20, 22]))
    batch, channels = draw.integer(1, 2), draw.integer(1, 2)
    rank = 3 if net.opset >= 20 and draw.maybe(0.2) else 2
    size = draw.integers(rank, 2, 5 if rank == 2 else 3)
    if batch * channels * math.prod(size) > 80:
        raise Retry("large")
    mode, padding = (
        draw.choice(["linear", "linear", "nearest", "cubic"]),
        draw.choice(["zeros", "border", "reflection"]),
    )
    if mode == "cubic" and rank == 3:
        raise Retry("cubic is for images")
    old = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}
    reach = 0.45 if mode == "cubic" and padding == "border" else 1.4  # implementations clamp differently outside
    # the odd offset keeps points away from cell borders, where rounding decides
    at = grid(draw.random.uniform(-reach, reach, [batch, *draw.integers(rank, 1, 4), rank]), 500) + 0.00037
    x = net.input("x", [batch, channels, *size])
    attributes = dict(padding_mode=padding, align_corners=draw.integer(0, 1))
    net.output(net.op("GridSample", x, at, mode=mode if net.opset >= 20 else old[mode], **attributes))


# Recurrence


@generator("LSTM", "GRU", "RNN", weight=3)
def recurrent(draw):
    net = draw.start()
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[draw.kind]
    steps, batch, features, hidden = draw.integer(1, 4), draw.integer(1, 2), draw.integer(1, 3), draw.integer(1, 3)
    direction = draw.choice(["forward", "reverse", "bidirectional"])
    directions = 2 if direction == "bidirectional" else 1
    parts = [
        net.weight(directions, gates * hidden, features, scale=0.7),
        net.weight(directions, gates * hidden, hidden, scale=0.7),
        net.weight(directions, 2 * gates * hidden, scale=0.3) if draw.maybe(0.7) else None,
    ]
    if draw.maybe():
        parts += [None, net.weight(directions, batch, hidden, scale=0.5)]
        if draw.kind == "LSTM":
            parts.append(net.weight(directions, batch, hidden, scale=0.5))
            if draw.maybe(0.3):
                parts.append(net.weight(directions, 3 * hidden, scale=0.3))
    attributes = dict(linear_before_reset=draw.integer(0, 1)) if draw.kind == "GRU" else {}
    x = net.input("x", [steps, batch, features])
    wanted = draw.integer(1, 3 if draw.kind == "LSTM" else 2)
    results = net.op(draw.kind, x, *parts, outputs=wanted, hidden_size=hidden, direction=direction, **attributes)
    net.output(*(results if wanted > 1 else [results]))


@generator("Scan", weight=2)
def scan(draw):
    net = draw.start()
    steps, features, hidden = draw.integer(2, 5), draw.integer(1, 4), draw.integer(1, 3)
    x = net.input("x", [steps, 1, features])
    weight, initial = net.weight(features, hidden), net.weight(1, hidden, scale=0.5)
    gate = draw.choice(["Tanh", "Sigmoid", "Sin"])

    def info(name, width):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width])

    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["frame", weight], ["drive"]),
            helper.make_node(gate, ["state"], ["kept"]),
            helper.make_node("Add", ["drive", "kept"], ["state_next"]),
            helper.make_node("Mul", ["state_next", "kept"], ["trace"]),
        ],
        "step",
        [info("state", hidden), info("frame", features)],
        [info("state_next", hidden), info("trace", hidden)],
    )
    directions = dict(scan_input_directions=[1], scan_output_directions=[1]) if draw.maybe(0.3) else {}
    net.output(*net.op("Scan", initial, x, outputs=2, body=body, num_scan_inputs=1, **directions))
