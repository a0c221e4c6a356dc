"""Random cases of shape, padding, slicing, gathering and scattering operators; see random_cases.py."""

import math

import numpy as np

from .random_cases import Retry, generator


@generator("Reshape", weight=2)
def reshape(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 4))
    left, target = math.prod(shape), []
    while left > 1 and len(target) < 4:
        part = draw.choice([d for d in range(1, left + 1) if left % d == 0])
        target.append(part)
        left //= part
    target.append(left)
    if draw.maybe():
        target[draw.integer(0, len(target) - 1)] = -1
    elif target[0] == shape[0]:
        target[0] = 0
    net.output(net.op("Reshape", net.input("x", shape), target))


@generator("Flatten")
def flatten(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 4))
    net.output(net.op("Flatten", net.input("x", shape), axis=draw.integer(-len(shape), len(shape))))


@generator("Squeeze", "Unsqueeze")
def squeeze(draw):
    net = draw.start(draw.choice([11, 13, 22]))
    if draw.kind == "Squeeze":
        shape = [1 if draw.maybe() else n for n in draw.shape(4)]
        ones = [i for i, n in enumerate(shape) if n == 1]
        if not ones:
            raise Retry("no axis of one")
        axes = ones[: draw.integer(1, len(ones))]
    else:
        shape = draw.shape(draw.integer(1, 3))
        rank = len(shape) + draw.integer(1, 2)
        axes = sorted(draw.random.permutation(rank)[: rank - len(shape)].tolist())
    x = net.input("x", shape)
    net.output(net.op(draw.kind, x, axes) if net.opset >= 13 else net.op(draw.kind, x, axes=axes))


@generator("Transpose", weight=2)
def transpose(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(2, 5), 1, 4)
    perm = None if draw.maybe(0.2) else draw.random.permutation(len(shape)).tolist()
    net.output(net.op("Transpose", net.input("x", shape), perm=perm))


@generator("Expand", "Tile", weight=2)
def expand(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 3), 1, 4, 30)
    if draw.kind == "Tile":
        return net.output(net.op("Tile", net.input("x", shape), draw.integers(len(shape), 1, 3)))
    shape = [1 if draw.maybe() else n for n in shape]
    target = [draw.integer(1, 4) if n == 1 else draw.choice([n, 1]) for n in shape]
    target = draw.integers(draw.integer(0, 2), 1, 3) + target
    net.output(net.op("Expand", net.input("x", shape), target))


@generator("Concat", weight=3)
def concat(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 4), 1, 4, 40)
    axis = draw.integer(-len(shape), len(shape) - 1)
    parts = []
    for i in range(draw.integer(1, 3)):
        part = list(shape)
        part[axis] = draw.integer(1, 4)
        parts.append(net.weight(*part) if i and draw.maybe(0.3) else net.input("abc"[i], part))
    net.output(net.op("Concat", *parts, axis=axis))


@generator("Split", weight=2)
def split(draw):
    net = draw.start(draw.choice([11, 13, 18, 22]))
    shape = draw.shape(draw.integer(1, 3), 2, 6)
    axis = draw.integer(0, len(shape) - 1)
    count = draw.integer(2, min(3, shape[axis]))
    cuts = sorted(draw.random.permutation(shape[axis] - 1)[: count - 1] + 1)
    sizes = [int(v) for v in np.diff([0, *cuts, shape[axis]])]
    x = net.input("x", shape)
    if net.opset < 13:
        parts = net.op("Split", x, outputs=count, axis=axis, split=sizes)
    elif net.opset >= 18 and draw.maybe() and -(-shape[axis] // count) * (count - 1) < shape[axis]:
        parts = net.op("Split", x, outputs=count, axis=axis, num_outputs=count)
    else:
        parts = net.op("Split", x, sizes, outputs=count, axis=axis)
    net.output(*draw.choice([parts, parts[:-1], parts[1:]]))


@generator("Slice", weight=5)
def take_slice(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 4), 1, 6)
    axes = sorted(draw.random.permutation(len(shape))[: draw.integer(1, len(shape))].tolist())
    starts, ends, steps = [], [], []
    for axis in axes:
        n, step = shape[axis], draw.choice([1, 1, 1, 2, 3, -1, -2])
        low = draw.integer(0, n - 1)
        high = draw.integer(low, n - 1)
        start, end = (low, high + 1) if step > 0 else (high, low - 1)
        if step > 0 and draw.maybe(0.3):
            end = draw.choice([np.iinfo(np.int64).max, n + 3])
        if step < 0 and (end < 0 or draw.maybe(0.3)):
            end = -np.iinfo(np.int64).max
        elif 0 <= end < n and draw.maybe(0.3):
            end -= n
        starts.append(start - n if draw.maybe(0.3) else start)
        ends.append(int(end))
        steps.append(step)
    axes = [a - len(shape) if draw.maybe(0.3) else a for a in axes]
    net.output(net.op("Slice", net.input("x", shape), starts, ends, axes, steps))


@generator("Pad", weight=6)
def pad(draw):
    net = draw.start(draw.choice([13, 17, 18, 19, 22]))
    shape = draw.shape(draw.integer(1, 4), 2, 5)
    mode = draw.choice(["constant", "constant", "reflect", "edge"] + (["wrap"] if net.opset >= 19 else []))
    limit = [n - 1 if mode == "reflect" else n if mode == "wrap" else 3 for n in shape]
    pads = [draw.integer(0, m) if draw.maybe(0.6) else 0 for m in limit + limit]
    if mode == "constant" and draw.maybe(0.3):
        pads[draw.integer(0, len(pads) - 1)] = -1
    x = net.input("x", shape)
    value = draw.choice([None, 0.5]) if mode == "constant" else None
    if net.opset >= 18 and draw.maybe(0.3):
        axis = draw.integer(0, len(shape) - 1)
        picked = [pads[axis], pads[len(shape) + axis]]
        return net.output(net.op("Pad", x, picked, value, [draw.choice([axis, axis - len(shape)])], mode=mode))
    net.output(net.op("Pad", x, pads, *([] if value is None else [value]), mode=mode))


def some_indices(draw, n, shape):
    return draw.random.randint(-n if draw.maybe(0.3) else 0, n, shape)


@generator("Gather", weight=3)
def gather(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 4))
    axis = draw.integer(-len(shape), len(shape) - 1)
    indices = some_indices(draw, shape[axis], draw.choice([(), (1,), (3,), (2, 2)]))
    net.output(net.op("Gather", net.input("x", shape), np.asarray(indices), axis=axis))


@generator("GatherElements", weight=3)
def gather_elements(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 3))
    axis = draw.integer(-len(shape), len(shape) - 1)
    size = [draw.integer(1, n) for n in shape]
    size[axis] = draw.integer(1, 4)
    net.output(net.op("GatherElements", net.input("x", shape), some_indices(draw, shape[axis], size), axis=axis))


@generator("GatherND", weight=3)
def gather_nd(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 4))
    batch = draw.integer(0, min(2, len(shape) - 1))
    depth = draw.integer(1, len(shape) - batch)
    lead = [*shape[:batch], *draw.integers(draw.integer(1, 2), 1, 3)]
    columns = [some_indices(draw, shape[batch + i], lead) for i in range(depth)]
    net.output(net.op("GatherND", net.input("x", shape), np.stack(columns, -1), batch_dims=batch))


@generator("ScatterND", weight=4)
def scatter_nd(draw):
    net = draw.start(draw.choice([17, 18, 22]))
    shape = draw.shape(draw.integer(1, 3), 2, 5)
    depth = draw.integer(1, len(shape))
    places = math.prod(shape[:depth])
    reduction = draw.choice(["none", "none", "add"])
    count = draw.integer(1, min(4, places))
    flat = draw.random.permutation(places)[:count] if reduction == "none" else draw.random.randint(0, places, count)
    indices = np.stack(np.unravel_index(flat, shape[:depth]), -1)
    updates = [count, *shape[depth:]]
    operands = scattered(draw, net, shape, updates)
    net.output(net.op("ScatterND", operands[0], indices, operands[1], reduction=reduction))


def scattered(draw, net, shape, updates):
    """Data and updates: both inputs, or one of them a constant."""
    form = draw.integer(0, 2)
    data = net.weight(*shape) if form == 1 else net.input("x", shape)
    return data, net.weight(*updates) if form == 2 else net.input("updates", updates)


@generator("ScatterElements", weight=4)
def scatter_elements(draw):
    net = draw.start(draw.choice([17, 18, 22]))
    shape = draw.shape(draw.integer(1, 3), 1, 5)
    axis = draw.integer(-len(shape), len(shape) - 1)
    size = [draw.integer(1, n) for n in shape]
    reduction = draw.choice(["none", "none", "add"])
    if reduction == "none":  # no place twice: which update stays would be left to the implementation
        order = np.argsort(
            draw.random.rand(*[shape[i] if i == axis % len(shape) else n for i, n in enumerate(size)]), axis
        )
        indices = np.take(order, np.arange(size[axis]), axis)
    else:
        indices = draw.random.randint(0, shape[axis], size)
    operands = scattered(draw, net, shape, list(indices.shape))
    net.output(net.op("ScatterElements", operands[0], indices, operands[1], axis=axis, reduction=reduction))


@generator("DepthToSpace", "SpaceToDepth", weight=2)
def depth(draw):
    net = draw.start()
    block, small = draw.integer(2, 3), draw.integers(2, 1, 2)
    channels = draw.integer(1, 2)
    if draw.kind == "DepthToSpace":
        x = net.input("x", [1, channels * block * block, *small])
        return net.output(net.op("DepthToSpace", x, blocksize=block, mode=draw.choice(["DCR", "CRD"])))
    net.output(net.op("SpaceToDepth", net.input("x", [1, channels, *(n * block for n in small)]), blocksize=block))
