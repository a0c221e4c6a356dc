"""Small networks of shape, slicing, padding, gathering and scattering operators."""

import numpy as np
from onnx import numpy_helper

from .catalogue import network

LAST = np.iinfo(np.int64).max


@network(legacy=True)
def shape_slices(net):
    # cat of two shifted, strided views, then reshape
    x = net.input("x", [2, 3, 6, 5])
    y = net.op("Transpose", x, perm=[0, 2, 3, 1])
    first = net.op("Slice", net.op("Slice", y, [1], [LAST], [1], [1]), [0], [LAST], [2], [2])
    second = net.op("Slice", net.op("Slice", y, [0], [-1], [1], [1]), [0], [LAST], [2], [2])
    net.output(net.op("Reshape", net.op("Concat", first, second, axis=-1), [2, -1, 3]))


@network(legacy=True)
def shape_arithmetic(net):
    # sizes computed in the graph from Shape, as exporters leave them
    x = net.input("x", [2, 3, 4, 5])
    rows = net.op("Gather", net.op("Shape", x), [0], axis=0)
    half = net.op("Div", net.op("Gather", net.op("Shape", x), 2, axis=0), 2)
    target = net.op("Concat", rows, net.op("Unsqueeze", half, [0]), [-1], axis=0)
    y = net.op("Reshape", x, target)
    wide = net.op("Expand", net.op("Slice", y, [0], [1], [1]), net.op("Concat", rows, [3, 30], axis=0))
    filled = net.op("ConstantOfShape", net.op("Shape", wide), value=_tensor(np.asarray([0.5], np.float32)))
    net.output(net.op("Mul", wide, filled))


def _tensor(array):
    return numpy_helper.from_array(array, "")


@network(opset=13)
def shape_operators(net):
    x = net.input("x", [2, 1, 3, 4])
    flat = net.op("Flatten", x, axis=-2)
    squeezed = net.op("Squeeze", x, [1])
    raised = net.op("Unsqueeze", squeezed, [0, -1])
    net.output(
        flat,
        net.op("Expand", x, [5, 1, 4]),
        net.op("Tile", squeezed, [1, 2, 3]),
        net.op("Transpose", raised),
        net.op("Reshape", x, [0, -1]),
        net.op("Identity", net.op("Dropout", net.op("Mul", x, 2.0))),
    )


@network(opset=18)
def split_concat(net):
    x = net.input("x", [2, 7, 4])
    a, b = net.op("Split", x, outputs=2, axis=1, num_outputs=2)
    c, d, e = net.op("Split", x, [1, 4, 2], outputs=3, axis=1)
    gate = net.op("Mul", net.op("Slice", a, [0], [3], [1]), net.op("Sigmoid", b))
    net.output(gate, net.op("Concat", e, net.op("Exp", c), d, axis=1))


@network(opset=13)
def slice_forms(net):
    x = net.input("x", [3, 8, 9])
    net.output(
        net.op("Slice", x, [-1], [-(LAST)], [1], [-2]),
        net.op("Slice", x, [1, -5], [3, -1]),
        net.op("Slice", x, [7, 0], [1, LAST], [2, 1], [-3, 3]),
    )


@network(opset=9)
def slice_attributes(net):
    x = net.input("x", [3, 6, 5])
    net.output(net.op("Slice", x, axes=[1, 2], starts=[1, 0], ends=[LAST, -1]))


@network(opset=20)
def roll(net):
    x = net.input("x", [1, 4, 5, 2])
    for axis, shift, size in ((1, 1, 4), (2, 2, 5)):
        low = net.op("Slice", x, [0], [size - shift], [axis])
        x = net.op("Concat", net.op("Slice", x, [size - shift], [size], [axis]), low, axis=axis)
    net.output(net.op("Mul", x, x))


@network(legacy=True)
def pad_modes(net):
    # the pads as torch's older exporter computes them in the graph
    x = net.input("x", [1, 3, 6, 5])
    pairs = net.op("Concat", [2, 1, 1, 3], net.op("ConstantOfShape", [4], value=_tensor(np.zeros(1, np.int64))), axis=0)
    pairs = net.op("Slice", net.op("Reshape", pairs, [-1, 2]), [-1], [-LAST], [0], [-1])
    pads = net.op("Cast", net.op("Reshape", net.op("Transpose", pairs, perm=[1, 0]), [-1]), to=7)
    parts = [net.op("Pad", x, pads, mode=mode) for mode in ("reflect", "edge")]
    parts.append(net.op("Pad", x, pads, None, mode="constant"))
    net.output(net.op("Add", net.op("Add", parts[0], parts[1]), parts[2]))


@network(opset=19)
def pad_wrap_crop(net):
    x = net.input("x", [1, 2, 5, 6])
    net.output(
        net.op("Pad", x, [0, 0, 1, 2, 0, 0, 3, 1], mode="wrap"),
        net.op("Pad", x, [0, 0, -1, 2, 0, 1, 2, -2], 0.5, mode="constant"),
        net.op("Pad", x, [1, 2, 2, 1], None, [2, -1], mode="reflect"),
    )


@network()
def gather(net):
    x = net.input("x", [2, 3, 4, 5])
    net.output(
        net.op("Gather", x, [0, 2, 2, 1], axis=1),
        net.op("Gather", x, [[-1, 0], [3, 3]], axis=2),
        net.op("Gather", x, 1, axis=-1),
    )


@network(opset=20)
def gather_transposed(net):
    # x[:, index] as torch's newer exporter writes it
    x = net.input("x", [2, 3, 4, 5])
    y = net.op("GatherND", net.op("Transpose", x, perm=[1, 0, 2, 3]), [[0], [2], [2], [1]], batch_dims=0)
    net.output(net.op("Transpose", y, perm=[1, 0, 2, 3]))


@network(opset=13)
def gather_elements_nd(net):
    x = net.input("x", [3, 4, 5])
    elements = net.random.randint(-4, 4, (3, 2, 5))
    net.output(
        net.op("GatherElements", x, elements, axis=1),
        net.op("GatherND", x, [[0, 1], [2, -1], [0, 1]]),
        net.op("GatherND", x, [[[1]], [[0]], [[-1]]], batch_dims=1),
        net.op("GatherND", x, [[[0, 0, 0]], [[2, 3, 4]]]),
    )


@network(opset=18)
def scatter(net):
    x = net.input("x", [4, 5])
    update = net.op("Mul", net.op("Slice", x, [0], [2], [0]), 2.0)
    at = [[0, 1, 2, 3, 0], [1, 1, 0, 2, 3]]
    net.output(
        net.op("ScatterND", x, [[0, 1], [1, 0]], np.zeros(2)),
        net.op("ScatterND", x, [[3], [1]], update),
        net.op("ScatterND", x, [[1], [1]], update, reduction="add"),
        net.op("ScatterElements", x, [[0, 1, 2, 3, 0], [1, 2, 0, 2, 3]], update, axis=0),
        net.op("ScatterElements", x, at, update, axis=0, reduction="add"),
        net.op("ScatterElements", np.ones((4, 5)), at, update, axis=0, reduction="mul"),
    )


@network(opset=13)
def space_depth(net):
    x = net.input("x", [1, 8, 4, 2])
    net.output(
        net.op("DepthToSpace", x, blocksize=2, mode="DCR"),
        net.op("DepthToSpace", x, blocksize=2, mode="CRD"),
        net.op("SpaceToDepth", x, blocksize=2),
    )


@network(opset=20)
def pixel_unshuffle(net):
    x = net.input("x", [1, 2, 4, 6])
    y = net.op("Transpose", net.op("Reshape", x, [1, 2, 2, 2, 3, 2]), perm=[0, 1, 3, 5, 2, 4])
    net.output(net.op("Reshape", y, [-1, 8, 2, 3]))


@network()
def running_sums(net):
    x = net.input("x", [2, 5, 3])
    net.output(
        net.op("CumSum", x, 1),
        net.op("CumSum", x, -1, exclusive=1),
        net.op("CumSum", x, 1, reverse=1),
        net.op("CumSum", x, 0, exclusive=1, reverse=1),
    )


@network(opset=11)
def top_k(net):
    x = net.input("x", [3, 8])
    values, _ = net.op("TopK", x, [3], outputs=2, axis=-1)
    small, _ = net.op("TopK", x, [2], outputs=2, axis=0, largest=0)
    net.output(values, small)


@network()
def triangles(net):
    x = net.input("x", [2, 4, 5])
    net.output(
        net.op("Trilu", x, upper=0),
        net.op("Trilu", x, 1),
        net.op("ReverseSequence", net.op("Transpose", x, perm=[1, 0, 2]), [3, 4]),
        net.op("Compress", x, net.const([True, False, True, True], dtype=bool), axis=1),
    )
