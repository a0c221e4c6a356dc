"""Small networks around pooling."""

from .catalogue import network


@network()
def max_pool(net):
    x = net.input("x", [2, 3, 7, 8])
    pool = dict(ceil_mode=0, dilations=[1, 1])
    net.output(
        net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], **pool),
        net.op("MaxPool", x, kernel_shape=[2, 2], pads=[0, 0, 0, 0], strides=[2, 2], **pool),
    )


@network()
def max_pool_ceil(net):
    x = net.input("x", [1, 3, 8, 7])
    pool = dict(kernel_shape=[3, 3], ceil_mode=1)
    net.output(
        net.op("MaxPool", x, strides=[2, 2], pads=[0] * 4, dilations=[1, 1], **pool),
        net.op("MaxPool", x, strides=[3, 2], pads=[1] * 4, dilations=[1, 2], **pool),
    )


@network()
def max_pool_after_relu(net):
    # windows full of zeros that tie
    x = net.input("x", [2, 3, 9, 8])
    y = net.op("Relu", net.op("Sub", x, 1.0))
    net.output(net.op("MaxPool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]))


@network()
def max_pool_1d_3d(net):
    x = net.input("x", [1, 2, 4, 6, 5])
    y = net.op("Reshape", x, [1, 8, 30])
    net.output(
        net.op("MaxPool", y, kernel_shape=[3], pads=[1, 0], strides=[2]),
        net.op("MaxPool", x, kernel_shape=[2, 3, 3], pads=[0, 1, 1, 1, 1, 1], strides=[1, 2, 2]),
        net.op("MaxPool", x, kernel_shape=[2, 2, 2], auto_pad="SAME_UPPER", strides=[2, 2, 2]),
    )


@network()
def average_pool(net):
    x = net.input("x", [2, 3, 7, 8])
    pool = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], ceil_mode=0)
    net.output(
        net.op("AveragePool", x, count_include_pad=1, **pool),
        net.op("AveragePool", x, count_include_pad=0, **pool),
    )


@network(opset=19)
def average_pool_ceil_dilated(net):
    x = net.input("x", [1, 3, 8, 8])
    pool = dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    net.output(
        net.op("AveragePool", x, pads=[1] * 4, count_include_pad=1, **pool),
        net.op("AveragePool", x, pads=[1, 0, 0, 1], count_include_pad=0, **pool),
        net.op("AveragePool", x, kernel_shape=[2, 3], dilations=[2, 2], pads=[1, 1, 1, 1], count_include_pad=0),
    )


@network(opset=22)
def average_pool_1d_3d(net):
    x = net.input("x", [1, 2, 4, 6, 5])
    y = net.op("Reshape", x, [1, 8, 30])
    net.output(
        net.op("AveragePool", y, kernel_shape=[4], pads=[1, 2], strides=[3], count_include_pad=1),
        net.op("AveragePool", x, kernel_shape=[3, 2, 3], pads=[1, 0, 1, 1, 1, 1], strides=[2, 2, 1]),
        net.op("AveragePool", x, kernel_shape=[3, 3, 3], auto_pad="SAME_LOWER", strides=[2, 2, 2]),
    )


@network(opset=18)
def lp_pool(net):
    x = net.input("x", [1, 3, 7, 8])
    net.output(
        net.op("LpPool", x, kernel_shape=[3, 2], strides=[2, 2], p=2),
        net.op("LpPool", x, kernel_shape=[3, 3], strides=[2, 3], pads=[1] * 4, p=3),
        net.op("LpPool", x, kernel_shape=[2, 2], p=1, dilations=[2, 1]),
    )


@network(legacy=True)
def lp_pool_exported(net):
    # torch's lp_pool2d, whose Sign * Relu(Abs) are the identity on a mean of squares
    x = net.input("x", [1, 2, 6, 6])
    pool = dict(ceil_mode=0, count_include_pad=1, kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2])
    mean = net.op("AveragePool", net.op("Pow", x, 2.0), **pool)
    kept = net.op("Mul", net.op("Sign", mean), net.op("Relu", net.op("Abs", mean)))
    net.output(net.op("Pow", net.op("Mul", kept, 4.0), 0.5))


@network()
def global_pools(net):
    x = net.input("x", [2, 3, 5, 4])
    y = net.op("Reshape", x, [2, 3, 20])
    net.output(
        net.op("GlobalAveragePool", x),
        net.op("GlobalMaxPool", x),
        net.op("GlobalLpPool", x, p=2),
        net.op("GlobalAveragePool", y),
        net.op("GlobalMaxPool", net.op("Reshape", x, [2, 3, 5, 2, 2])),
    )
