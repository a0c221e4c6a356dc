"""Shape, indexing and constant operators of the f64 judge; see reverse.py."""

import math

import numpy as np
from onnx import helper

from . import tape
from .reverse import FLOATS, integers, operator, widen
from .tape import rearrange, val


@operator("Identity", "Dropout")
def identity(node, x, *_):
    return (x, np.ones(val(x).shape, bool))[: node.outputs] if node.outputs > 1 else x


@operator("Constant")
def constant(node):
    for name, value in node.attributes.items():
        if name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            return widen(np.asarray(value))
    raise NotImplementedError(f"Constant with {list(node.attributes)}")


@operator("ConstantOfShape")
def constant_of_shape(node, shape):
    value = np.asarray(node.get("value", np.zeros(1))).ravel()[0]
    return np.full(integers(shape), value)


@operator("Cast")
def cast(node, x):
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(node.get("to")))
    if kind.type in FLOATS:
        return x if val(x).dtype == np.float64 else val(x).astype(np.float64)
    return val(x).astype(kind)


@operator("CastLike")
def cast_like(_, x, like):
    kind = val(like).dtype
    return x if val(x).dtype == kind else val(x).astype(kind)


@operator("Shape")
def shape(node, x):
    return np.asarray(val(x).shape[node.get("start", 0) : node.get("end")], np.int64)


@operator("Size")
def size(_, x):
    return np.asarray(val(x).size, np.int64)


@operator("Range")
def number_range(_, start, limit, delta):
    return np.arange(val(start), val(limit), val(delta))


@operator("NonZero")
def non_zero(_, x):
    return np.asarray(np.nonzero(val(x)), np.int64)


@operator("OneHot")
def one_hot(node, indices, depth, values):
    depth = integers(depth)[0]
    off, on = val(values)
    hot = np.where(val(indices)[..., None] % depth == np.arange(depth), on, off)
    axis = node.get("axis", -1)
    return np.moveaxis(hot, -1, axis)


@operator("Reshape")
def reshape(node, x, target=None):
    target = integers(target) if target is not None else list(node.get("shape"))
    if not node.get("allowzero", 0):
        target = [val(x).shape[i] if n == 0 else n for i, n in enumerate(target)]
    return tape.reshape(x, target)


@operator("Flatten")
def flatten(node, x):
    rank = val(x).ndim
    axis = node.get("axis", 1)
    axis = axis + rank if axis < 0 else axis
    return tape.reshape(x, (math.prod(val(x).shape[:axis]), -1))


@operator("Squeeze")
def squeeze(node, x, axes=None):
    old = val(x).shape
    axes = node.get("axes") if axes is None else integers(axes)
    gone = [i for i, n in enumerate(old) if n == 1] if axes is None else [a % len(old) for a in axes]
    return tape.reshape(x, [n for i, n in enumerate(old) if i not in gone])


@operator("Unsqueeze")
def unsqueeze(node, x, axes=None):
    axes = node.get("axes") if axes is None else integers(axes)
    rank = val(x).ndim + len(axes)
    new = {a % rank for a in axes}
    old = iter(val(x).shape)
    return tape.reshape(x, [1 if i in new else next(old) for i in range(rank)])


@operator("Transpose")
def transpose(node, x):
    return tape.transpose(x, node.get("perm") or list(range(val(x).ndim))[::-1])


@operator("Expand")
def expand(_, x, shape):
    return tape.expand(x, integers(shape))


@operator("Tile")
def tile(_, x, repeats):
    return rearrange(x, lambda p: np.tile(p, integers(repeats)))


@operator("Concat")
def concat(node, *xs):
    return tape.concat(xs, node.get("axis"))


@operator("Split")
def split(node, x, sizes=None):
    axis = node.get("axis", 0) % val(x).ndim
    length, parts = val(x).shape[axis], node.outputs
    sizes = node.get("split") if sizes is None else integers(sizes)
    if sizes is None:
        each = math.ceil(length / parts)
        sizes = [each] * (parts - 1) + [length - each * (parts - 1)]
    starts = np.cumsum([0, *sizes])
    whole = [slice(None)] * axis
    return tuple(tape.index(x, (*whole, slice(a, b))) for a, b in zip(starts, starts[1:]))


@operator("Slice")
def take_slice(node, x, starts=None, ends=None, axes=None, steps=None):
    starts = list(node.get("starts")) if starts is None else integers(starts)
    ends = list(node.get("ends")) if ends is None else integers(ends)
    axes = (node.get("axes") or range(len(starts))) if axes is None else integers(axes)
    steps = [1] * len(starts) if steps is None else integers(steps)
    key = [slice(None)] * val(x).ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        n = val(x).shape[axis]
        start, end = (start + n if start < 0 else start), (end + n if end < 0 else end)
        if step > 0:
            key[axis] = slice(min(max(start, 0), n), min(max(end, 0), n), step)
        else:
            end = min(max(end, -1), n - 1)
            key[axis] = slice(min(max(start, 0), n - 1), None if end < 0 else end, step)
    return tape.index(x, tuple(key))


def _wrapped(indices, n):
    indices = np.asarray(val(indices), np.int64)
    return np.where(indices < 0, indices + n, indices)


@operator("Gather")
def gather(node, x, indices):
    axis = node.get("axis", 0) % val(x).ndim
    return rearrange(x, lambda p: np.take(p, _wrapped(indices, p.shape[axis]), axis))


@operator("GatherElements")
def gather_elements(node, x, indices):
    axis = node.get("axis", 0) % val(x).ndim
    at = _wrapped(indices, val(x).shape[axis])
    return rearrange(x, lambda p: p[_along(at, axis)])


def _along(at, axis):
    grid = list(np.indices(at.shape))
    grid[axis] = at
    return tuple(grid)


@operator("GatherND")
def gather_nd(node, x, indices):
    batch = node.get("batch_dims", 0)
    indices = val(indices)

    def positions(p):
        if batch == 0:
            return p[tuple(np.moveaxis(indices, -1, 0))]
        lead = p.shape[:batch]
        p, i = p.reshape(-1, *p.shape[batch:]), indices.reshape(-1, *indices.shape[batch:])
        rows = [q[tuple(np.moveaxis(j, -1, 0))] for q, j in zip(p, i)]
        return np.stack(rows).reshape(*lead, *rows[0].shape)

    return rearrange(x, positions)


@operator("ScatterElements", "Scatter", "ScatterND")
def scatter(node, x, indices, updates):
    """Rewrites flat positions of `x` with `updates`; positions that repeat are combined in order."""
    v, u = val(x), val(updates)
    where = np.arange(v.size).reshape(v.shape)
    if node.kind == "ScatterND":
        flat = where[tuple(np.moveaxis(_nd_wrapped(indices, v.shape), -1, 0))]
    else:
        axis = node.get("axis", 0) % v.ndim
        flat = where[_along(_wrapped(indices, v.shape[axis]), axis)]
    flat, reduction = flat.ravel(), node.get("reduction", "none")
    updates = tape.reshape(updates, (-1,))
    result = tape.reshape(x, (-1,))
    if reduction == "none":
        source = np.arange(v.size)
        source[flat] = v.size + np.arange(u.size)  # the last of several updates to one place stays
        return tape.reshape(tape.pick(tape.concat([result, updates], 0), source), v.shape)
    if reduction == "add":
        spread = tape.node(np.bincount(flat, weights=u.ravel(), minlength=v.size), (updates, lambda g: g[flat]))
        return tape.reshape(tape.add(result, spread), v.shape)
    for i, place in enumerate(flat):  # mul, max, min: one at a time
        old, new = tape.pick(result, [place]), tape.pick(updates, [i])
        if reduction == "mul":
            combined = tape.mul(old, new)
        else:
            for side in (old, new):
                tape.note_kink(side, val(old) - val(new))
            first = val(old) >= val(new) if reduction == "max" else val(old) <= val(new)
            combined = tape.where(first, old, new)
        source = np.arange(v.size)
        source[place] = v.size
        result = tape.pick(tape.concat([result, combined], 0), source)
    return tape.reshape(result, v.shape)


def _nd_wrapped(indices, shape):
    indices = val(indices)
    return np.where(indices < 0, indices + np.asarray(shape[: indices.shape[-1]]), indices)


@operator("Pad")
def pad(node, x, pads=None, value=None, axes=None):
    rank, mode = val(x).ndim, node.get("mode", "constant")
    pads = list(node.get("pads")) if pads is None else integers(pads)
    value = node.get("value", 0.0) if value is None else float(val(value).ravel()[0])
    axes = list(range(rank)) if axes is None else [a % rank for a in integers(axes)]
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[len(axes) + i]
    if mode == "constant":
        return tape.pad(x, before, after, value)
    widths = [(max(b, 0), max(a, 0)) for b, a in zip(before, after)]
    cropped = tape.pad(x, [min(b, 0) for b in before], [min(a, 0) for a in after])
    return rearrange(cropped, lambda p: np.pad(p, widths, mode=mode))


@operator("DepthToSpace")
def depth_to_space(node, x):
    n, c, h, w = val(x).shape
    b = node.get("blocksize")
    if node.get("mode", "DCR") == "DCR":
        return tape.reshape(
            tape.transpose(tape.reshape(x, (n, b, b, -1, h, w)), (0, 3, 4, 1, 5, 2)), (n, -1, h * b, w * b)
        )
    return tape.reshape(tape.transpose(tape.reshape(x, (n, -1, b, b, h, w)), (0, 1, 4, 2, 5, 3)), (n, -1, h * b, w * b))


@operator("SpaceToDepth")
def space_to_depth(node, x):
    n, c, h, w = val(x).shape
    b = node.get("blocksize")
    parts = tape.transpose(tape.reshape(x, (n, c, h // b, b, w // b, b)), (0, 3, 5, 1, 2, 4))
    return tape.reshape(parts, (n, c * b * b, h // b, w // b))


@operator("TopK")
def top_k(node, x, k=None):
    axis = node.get("axis", -1) % val(x).ndim
    k = node.get("k") if k is None else integers(k)[0]
    sign = -1 if node.get("largest", 1) else 1
    order = np.argsort(sign * val(x), axis=axis, kind="stable")
    ranked = np.take_along_axis(val(x), order, axis)
    tape.note_kink(x, np.diff(ranked, axis=axis))
    best = np.take(order, np.arange(k), axis)
    return rearrange(x, lambda p: np.take_along_axis(p, best, axis)), best


@operator("Trilu")
def triangle(node, x, k=None):
    k = 0 if k is None else integers(k)[0]
    keep = (np.triu if node.get("upper", 1) else np.tril)(np.ones(val(x).shape[-2:]), k)
    return tape.mul(x, keep) if val(x).dtype == np.float64 else val(x) * keep.astype(val(x).dtype)


@operator("ReverseSequence")
def reverse_sequence(node, x, lengths):
    time, batch = node.get("time_axis", 0), node.get("batch_axis", 1)

    def positions(p):
        p = np.moveaxis(p, (batch, time), (0, 1)).copy()
        for row, n in zip(p, integers(lengths)):
            row[:n] = row[:n][::-1].copy()
        return np.moveaxis(p, (0, 1), (batch, time))

    return rearrange(x, positions)


@operator("Compress")
def compress(node, x, condition):
    return rearrange(x, lambda p: np.compress(val(condition), p, node.get("axis")))


@operator("CenterCropPad")
def center_crop_pad(node, x, shape):
    axes = node.get("axes") or list(range(val(x).ndim))
    before, after = [0] * val(x).ndim, [0] * val(x).ndim
    for axis, target in zip(axes, integers(shape)):
        missing = target - val(x).shape[axis]
        before[axis] = missing // 2 if missing >= 0 else -(-missing // 2)
        after[axis] = missing - before[axis]
    return tape.pad(x, before, after)
