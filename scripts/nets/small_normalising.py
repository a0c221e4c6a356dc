"""Small networks of normalisations and softmax, in the forms of several operator sets."""

from .build import grid
from .catalogue import network

EPSILON = 1e-5


def affine(net, channels):
    return net.uniform(0.5, 1.5, channels), net.weight(channels, scale=0.2)


@network()
def layer_norm(net):
    x = net.input("x", [2, 3, 4, 8])
    net.output(
        net.op("LayerNormalization", x, *affine(net, 8), axis=-1, epsilon=EPSILON),
        net.op("LayerNormalization", x, net.uniform(0.5, 1.5, 4, 8), axis=2),
    )


@network(legacy=True)
def layer_norm_decomposed(net):
    # what exporters wrote before operator set 17
    x = net.input("x", [2, 3, 4, 8])
    centred = net.op("Sub", x, net.op("ReduceMean", x, axes=[-1]))
    variance = net.op("ReduceMean", net.op("Pow", centred, 2.0), axes=[-1])
    unit = net.op("Div", centred, net.op("Sqrt", net.op("Add", variance, EPSILON)))
    scale, shift = affine(net, 8)
    net.output(net.op("Add", net.op("Mul", unit, scale), shift))


@network(legacy=True)
def group_norm_reshaped(net):
    # what torch's exporters write: an instance normalisation of groups, then scale and shift of channels
    x = net.input("x", [2, 4, 5, 6])
    y = net.op("InstanceNormalization", net.op("Reshape", x, [0, 2, -1]), [1.0, 1.0], [0.0, 0.0], epsilon=EPSILON)
    y = net.op("Reshape", y, net.op("Shape", x))
    net.output(net.op("Add", net.op("Mul", y, net.uniform(0.5, 1.5, 4, 1, 1)), net.weight(4, 1, 1, scale=0.2)))


@network(opset=18)
def group_norm_18(net):
    # scale and bias of groups
    x = net.input("x", [2, 4, 5, 6])
    net.output(net.op("GroupNormalization", x, *affine(net, 2), num_groups=2, epsilon=EPSILON))


@network(opset=21)
def group_norm_21(net):
    # scale and bias of channels
    x = net.input("x", [2, 6, 3, 4])
    net.output(net.op("GroupNormalization", x, *affine(net, 6), num_groups=3, epsilon=EPSILON))


@network()
def instance_norm(net):
    x = net.input("x", [2, 4, 5, 6])
    y = net.op("Reshape", x, [2, 2, 60])
    net.output(
        net.op("InstanceNormalization", x, *affine(net, 4), epsilon=EPSILON),
        net.op("InstanceNormalization", y, *affine(net, 2), epsilon=1e-3),
    )


@network(opset=20)
def rms_norm_decomposed(net):
    x = net.input("x", [2, 5, 8])
    mean = net.op("ReduceMean", net.op("Pow", x, 2.0), [2], keepdims=1)
    inverse = net.op("Reciprocal", net.op("Sqrt", net.op("Add", mean, 1e-6)))
    net.output(net.op("Mul", net.op("Mul", x, inverse), net.uniform(0.5, 1.5, 8)))


@network(opset=23)
def rms_norm(net):
    x = net.input("x", [2, 3, 8])
    net.output(
        net.op("RMSNormalization", x, net.uniform(0.5, 1.5, 8), epsilon=1e-6),
        net.op("RMSNormalization", x, net.uniform(0.5, 1.5, 3, 8), axis=1),
    )


@network()
def batch_norm(net):
    x = net.input("x", [2, 3, 4, 5])
    statistics = net.weight(3, scale=0.2), net.uniform(0.5, 1.5, 3)
    y = net.op("BatchNormalization", x, *affine(net, 3), *statistics, epsilon=EPSILON)
    z = net.op("Reshape", net.op("Sin", x), [2, 3, 20])
    net.output(y, net.op("BatchNormalization", z, *affine(net, 3), *statistics, epsilon=1e-3))


@network(opset=22)
def other_norms(net):
    x = net.input("x", [2, 3, 4, 5])
    net.output(
        net.op("LpNormalization", x, axis=1, p=2),
        net.op("LpNormalization", x, axis=-1, p=1),
        net.op("MeanVarianceNormalization", x, axes=[0, 2, 3]),
    )


@network(opset=13)
def lrn(net):
    x = net.input("x", [2, 8, 3, 4], span=(-4, 4))
    net.output(
        net.op("LRN", x, size=5, alpha=0.5, beta=0.75, bias=1.0),
        net.op("LRN", x, size=3, alpha=0.2, beta=0.5, bias=2.0),
    )


@network(opset=20)
def lrn_pooled(net):
    # torch's LocalResponseNorm: a 3-D average pool along the channels
    x = net.input("x", [2, 8, 3, 4], span=(-8, 8))
    squares = net.op("Reshape", net.op("Mul", x, x), [2, 1, 8, 3, -1], allowzero=1)
    padded = net.op("Pad", squares, [0, 0, 2, 0, 0, 0, 0, 2, 0, 0], mode="constant")
    pool = dict(kernel_shape=[5, 1, 1], strides=[1, 1, 1], pads=[0] * 6, count_include_pad=1, ceil_mode=0)
    mean = net.op("Squeeze", net.op("AveragePool", padded, auto_pad="NOTSET", **pool), [1])
    base = net.op("Add", net.op("Mul", mean, 0.05), 1.0)
    net.output(net.op("Div", x, net.op("Pow", base, 0.75)))


@network()
def softmax(net):
    x = net.input("x", [2, 3, 4, 5])
    net.output(
        net.op("Softmax", x, axis=-1),
        net.op("Softmax", x, axis=1),
        net.op("LogSoftmax", x, axis=2),
        net.op("LogSoftmax", x),
    )


@network(opset=11)
def softmax_flattening(net):
    # before operator set 13 everything from the axis on is one distribution
    x = net.input("x", [2, 3, 4])
    net.output(net.op("Softmax", x), net.op("LogSoftmax", x, axis=1), net.op("Softmax", x, axis=2))


@network()
def divisive_normalisation(net):
    # q / (W q + 0.1) with q the squared responses of a filter bank
    x = net.input("x", [1, 3, 8, 8])
    y = net.op("Conv", x, net.weight(6, 3, 5, 5), net.weight(6, scale=0.2), kernel_shape=[5, 5], pads=[2] * 4)
    square = net.op("Mul", y, y)
    pool = net.const(abs(grid(net.random.randn(6, 6, 1, 1) * 0.4)))
    weighted = net.op("Conv", square, pool, net.uniform(0.1, 0.5, 6), kernel_shape=[1, 1])
    net.output(net.op("Div", square, net.op("Add", weighted, 0.1)))
