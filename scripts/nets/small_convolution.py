"""Small networks around convolution. Several geometries that share an input are outputs of one network."""

from .catalogue import network


def conv(net, x, channels, out, kernel, stride=1, pad=0, group=1, dilation=1, bias=True, **more):
    """A convolution with the attributes that torch's exporters write; pad None leaves them out."""
    kernel = [kernel] * 2 if isinstance(kernel, int) else list(kernel)
    rank = len(kernel)

    def spread(value):
        return [value] * rank if isinstance(value, int) else list(value)

    pads = None if pad is None else (spread(pad) * 2 if isinstance(pad, int) or len(pad) == rank else list(pad))
    weight = net.weight(out, channels // group, *kernel)
    return net.op(
        "Conv",
        x,
        weight,
        net.weight(out, scale=0.2) if bias else None,
        dilations=spread(dilation),
        group=group,
        kernel_shape=kernel,
        pads=pads,
        strides=spread(stride),
        **more,
    )


def conv_transpose(net, x, channels, out, kernel, group=1, bias=True, **attributes):
    weight = net.weight(channels, out // group, *kernel, scale=0.4)
    bias = net.weight(out, scale=0.2) if bias else None
    return net.op("ConvTranspose", x, weight, bias, group=group, kernel_shape=kernel, **attributes)


@network()
def conv_3x3(net):
    x = net.input("x", [2, 3, 7, 8])
    net.output(conv(net, x, 3, 4, 3, pad=1), conv(net, x, 3, 4, 3, stride=2, pad=1))


@network()
def conv_grouped(net):
    x = net.input("x", [1, 4, 9, 8])
    net.output(conv(net, x, 4, 8, 5, stride=2, pad=2, group=2), conv(net, x, 4, 4, 1, group=4))


@network()
def conv_depthwise(net):
    x = net.input("x", [1, 6, 7, 8])
    net.output(conv(net, x, 6, 6, 3, pad=1, group=6), conv(net, x, 6, 12, 3, stride=2, pad=1, group=6))


@network()
def conv_dilated(net):
    x = net.input("x", [1, 4, 10, 9])
    net.output(
        conv(net, x, 4, 6, 3, pad=2, group=2, dilation=2),
        conv(net, x, 4, 4, 3, stride=2, pad=2, dilation=2),
        conv(net, x, 4, 4, 3, stride=2, dilation=3),
    )


@network()
def conv_large_kernel(net):
    x = net.input("x", [1, 2, 16, 15])
    net.output(conv(net, x, 2, 4, 7, stride=4, pad=3), conv(net, x, 2, 2, 25, stride=4, pad=12))


@network()
def conv_uneven_stride(net):
    # windows that leave rows uncovered, and different strides along the axes
    x = net.input("x", [1, 4, 8, 9])
    net.output(
        conv(net, x, 4, 3, 1, stride=2),
        conv(net, x, 4, 3, 2, stride=3),
        conv(net, x, 4, 3, (3, 5), stride=(2, 1), pad=(1, 2)),
    )


@network()
def conv_asymmetric_pad(net):
    # F.pad before the convolution, and the same as pads of the convolution
    x = net.input("x", [1, 3, 8, 7])
    padded = net.op("Pad", x, [0, 0, 0, 1, 0, 0, 3, 2], 0.0, mode="constant")
    net.output(conv(net, padded, 3, 4, 4, stride=2), conv(net, x, 3, 4, 4, stride=2, pad=(0, 1, 3, 2)))


@network()
def conv_auto_pad(net):
    x = net.input("x", [1, 3, 8, 7])
    net.output(
        conv(net, x, 3, 3, 4, pad=None, auto_pad="SAME_UPPER"),
        conv(net, x, 3, 3, 4, stride=3, pad=None, auto_pad="SAME_LOWER"),
        conv(net, x, 3, 3, 3, stride=2, pad=None, auto_pad="VALID"),
    )


@network()
def conv_1d(net):
    x = net.input("x", [2, 4, 13])
    net.output(
        conv(net, x, 4, 6, (5,), stride=2, pad=2),
        conv(net, x, 4, 4, (3,), pad=(0, 3), group=4, dilation=2),
    )


@network(opset=22)
def conv_3d(net):
    x = net.input("x", [1, 2, 5, 6, 4])
    net.output(
        conv(net, x, 2, 3, (3, 3, 3), stride=(1, 2, 2), pad=1),
        conv(net, x, 2, 4, (2, 3, 1), pad=(1, 0, 0), group=2, dilation=(2, 1, 1)),
    )


@network()
def conv_transpose_2d(net):
    x = net.input("x", [1, 4, 5, 6])
    net.output(
        conv_transpose(net, x, 4, 3, (3, 3), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1], dilations=[1, 1]),
        conv_transpose(net, x, 4, 4, (3, 2), group=2, strides=[3, 1], pads=[0, 1, 2, 0], dilations=[1, 2]),
        conv_transpose(net, x, 4, 4, (2, 2), group=4, strides=[2, 2], bias=False),
    )


@network(opset=22)
def conv_transpose_1d_3d(net):
    x = net.input("x", [1, 2, 3, 4, 3])
    y = net.op("Reshape", x, [1, 4, 18])
    net.output(
        conv_transpose(net, y, 4, 3, (4,), strides=[2], pads=[1, 1]),
        conv_transpose(net, x, 2, 3, (2, 3, 2), strides=[1, 2, 2], pads=[0, 1, 0, 0, 1, 0], output_padding=[0, 1, 0]),
    )


@network()
def conv_transpose_shapes(net):
    # the padding follows from the wanted shape, or from SAME
    x = net.input("x", [1, 3, 5, 4])
    net.output(
        conv_transpose(net, x, 3, 3, (3, 3), strides=[2, 2], output_shape=[10, 8]),
        conv_transpose(net, x, 3, 2, (3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
        conv_transpose(net, x, 3, 2, (3, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
        conv_transpose(net, x, 3, 2, (3, 3), strides=[1, 1], auto_pad="VALID"),
    )


@network()
def conv_relu_norm_dilated_group(net):
    # a batch normalisation that cannot be folded the usual way: grouped, and after the activation
    x = net.input("x", [1, 4, 7, 6])
    y = net.op("Relu", conv(net, x, 4, 8, 3, pad=2, group=2, dilation=2))
    scale, shift = net.uniform(0.5, 1.5, 8), net.weight(8, scale=0.2)
    net.output(net.op("BatchNormalization", y, scale, shift, net.weight(8, scale=0.2), net.uniform(0.5, 1.5, 8)))
