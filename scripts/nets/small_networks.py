"""Small networks that are whole models: convolutional nets, a V1 block, attention, normalised blocks."""

import numpy as np

from .build import grid
from .catalogue import network
from .small_convolution import conv


def batch_norm(net, x, channels):
    return net.op(
        "BatchNormalization",
        x,
        net.uniform(0.5, 1.5, channels),
        net.weight(channels, scale=0.1),
        net.weight(channels, scale=0.1),
        net.uniform(0.5, 1.5, channels),
        epsilon=1e-5,
    )


def conv_norm_relu(net, x, channels, out, kernel, stride=1, pad=None, group=1):
    pad = kernel // 2 if pad is None else pad
    return net.op("Relu", batch_norm(net, conv(net, x, channels, out, kernel, stride, pad, group, bias=False), out))


@network()
def attention_self(net):
    # softmax(x x^T) x
    x = net.input("x", [2, 3, 5, 6])
    weights = net.op("Softmax", net.op("MatMul", x, net.op("Transpose", x, perm=[0, 1, 3, 2])), axis=-1)
    net.output(net.op("MatMul", weights, x))


@network()
def cnn_small(net):
    x = net.input("x", [2, 3, 12, 12])
    x = conv_norm_relu(net, x, 3, 6, 3)
    x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, ceil_mode=0, dilations=[1, 1])
    x = conv_norm_relu(net, x, 6, 8, 3, 2)
    x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, ceil_mode=0, count_include_pad=1)
    x = net.op("Flatten", x, axis=1)
    net.output(net.op("Gemm", x, net.weight(10, 8), net.weight(10, scale=0.1), alpha=1.0, beta=1.0, transB=1))


def gabor_pair(random, filters, size, frequencies=(0.05, 0.25), widths=(1.5, 3)):
    """Quadrature pairs [filters, 3, size, size] of Gabor filters, each in one colour channel."""
    even, odd = np.zeros((filters, 3, size, size)), np.zeros((filters, 3, size, size))
    y, x = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1]
    for i in range(filters):
        angle, frequency = random.uniform(0, np.pi), random.uniform(*frequencies)
        width, phase = random.uniform(*widths), random.uniform(0, 2 * np.pi)
        along = x * np.cos(angle) + y * np.sin(angle)
        envelope = np.exp(-0.5 * (x**2 + y**2) / width**2) / (2 * np.pi * width**2)
        channel = random.randint(3)
        even[i, channel] = envelope * np.cos(2 * np.pi * frequency * along + phase)
        odd[i, channel] = envelope * np.cos(2 * np.pi * frequency * along + phase + np.pi / 2)
    return even, odd


@network()
def vone_block(net):
    # simple cells by rectification, complex cells by energy, as in VOneNet
    simple = 4
    even, odd = (net.const(grid(w, 4096)) for w in gabor_pair(net.random, 8, 11))
    x = net.input("x", [1, 3, 16, 16], span=(0, 1))
    geometry = dict(kernel_shape=[11, 11], strides=[4, 4], pads=[5] * 4, dilations=[1, 1], group=1)
    first = net.op("Conv", x, even, **geometry)
    second = net.op("Conv", x, odd, **geometry)
    energy = [net.op("Pow", net.op("Slice", q, [simple], [8], [1], [1]), 2.0) for q in (first, second)]
    energy = net.op("Sqrt", net.op("Add", net.op("Add", *energy), 1e-6))
    cells = net.op("Relu", net.op("Slice", first, [0], [simple], [1], [1]))
    net.output(net.op("Mul", net.op("Concat", cells, net.op("Div", energy, np.sqrt(2.0)), axis=1), 25.0))


@network()
def mobile_net(net):
    x = net.input("x", [1, 3, 13, 12])
    x = conv_norm_relu(net, x, 3, 6, 3, 2)
    x = conv_norm_relu(net, x, 6, 6, 3, 1, group=6)
    x = conv_norm_relu(net, x, 6, 8, 1)
    x = conv_norm_relu(net, x, 8, 8, 5, 2, group=8)
    x = conv_norm_relu(net, x, 8, 12, 1)
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    net.output(net.op("Gemm", x, net.weight(5, 12), net.weight(5, scale=0.1), alpha=1.0, beta=1.0, transB=1))


@network()
def squeeze_excite(net):
    def silu(value):
        return net.op("Mul", value, net.op("Sigmoid", value))

    x = net.input("x", [1, 3, 8, 9])
    y = silu(conv(net, x, 3, 6, 3, pad=1))
    gate = conv(net, silu(conv(net, net.op("GlobalAveragePool", y), 6, 2, 1)), 2, 6, 1)
    net.output(net.op("Mul", y, net.op("Sigmoid", gate)))


@network()
def residual_block(net):
    # two outputs, and the sum before the last relu as an inner tap
    x = net.input("x", [1, 4, 6, 5])
    y = conv_norm_relu(net, x, 4, 4, 3)
    y = batch_norm(net, conv(net, y, 4, 4, 3, pad=1, bias=False), 4)
    total = net.op("Add", y, x)
    net.taps.append(total)
    out = net.op("Relu", total)
    net.output(out, net.op("ReduceMean", out, axes=[2, 3], keepdims=0))


@network()
def two_inputs(net):
    # an image, and a context that scales and shifts its features
    image, context = net.input("image", [1, 3, 6, 5]), net.input("context", [1, 4])
    y = conv(net, image, 3, 4, 3, pad=1)
    scale = net.op("Gemm", context, net.weight(4, 4), net.weight(4, scale=0.2), transB=1)
    shift = net.op("Gemm", context, net.weight(4, 4), transB=1)
    y = net.op("Mul", y, net.op("Unsqueeze", scale, [2, 3]))
    net.output(net.op("Tanh", net.op("Add", y, net.op("Unsqueeze", shift, [2, 3]))))


@network(legacy=True)
def attention_scaled(net):
    # scaled_dot_product_attention as torch's older exporter writes it, scale and causal mask from shapes
    x = net.input("x", [1, 2, 5, 4])
    key = net.op("Mul", x, 0.5)
    size = net.op("Cast", net.op("Slice", net.op("Shape", x), [-1], [np.iinfo(np.int64).max]), to=1)
    scale = net.op("Cast", net.op("Div", [1.0], net.op("Sqrt", size)), to=1)
    square = [net.op("Slice", net.op("Shape", part), [-2], [-1]) for part in (x, key)]
    ones = net.op("Expand", [1.0], net.op("Concat", *square, axis=0))
    mask = net.op("Where", net.op("Equal", net.op("Trilu", ones, upper=0), [0.0]), [-np.inf], [0.0])
    query = net.op("Mul", x, net.op("Sqrt", scale))
    key = net.op("Mul", net.op("Transpose", key, perm=[0, 1, 3, 2]), net.op("Sqrt", scale))
    weights = net.op("Softmax", net.op("Add", net.op("MatMul", query, key), mask), axis=-1)
    net.output(net.op("MatMul", weights, x))


@network(opset=20)
def attention_causal(net):
    # the same as torch's newer exporter writes it: a constant mask of the lowest finite number
    x = net.input("x", [1, 2, 5, 4])
    mask = np.where(np.tri(5) > 0, 0.0, np.finfo(np.float32).min)
    key = net.op("Transpose", net.op("Reshape", net.op("Mul", x, 0.5), [-1, 5, 4], allowzero=0), perm=[0, 2, 1])
    key = net.op("Mul", net.op("Reshape", key, [1, 2, 4, 5], allowzero=0), np.asarray([0.5**0.5]))
    scores = net.op("MatMul", net.op("Mul", x, np.asarray([0.5**0.5])), key)
    net.output(net.op("MatMul", net.op("Softmax", net.op("Add", scores, mask), axis=-1), x))


@network(opset=20)
def attention_multi_head(net):
    # nn.MultiheadAttention as torch's newer exporter writes it
    x = net.input("x", [1, 5, 8])
    y = net.op("Transpose", x, perm=[1, 0, 2])
    y = net.op("Add", net.op("MatMul", y, net.weight(8, 24, scale=0.4)), net.weight(24, scale=0.1))
    y = net.op("Unsqueeze", net.op("Reshape", y, [5, 1, 3, 8], allowzero=1), [0])
    y = net.op("Squeeze", net.op("Transpose", y, perm=[3, 1, 2, 0, 4]), [-2])
    parts = []
    for i in range(3):
        part = net.op("Reshape", net.op("Gather", y, i, axis=0), [5, 2, 4], allowzero=1)
        parts.append(net.op("Reshape", net.op("Transpose", part, perm=[1, 0, 2]), [1, 2, 5, 4], allowzero=1))
    root = np.asarray([0.5**0.5])
    key = net.op("Mul", net.op("Transpose", parts[1], perm=[0, 1, 3, 2]), root)
    scores = net.op("MatMul", net.op("Mul", parts[0], root), key)
    y = net.op("MatMul", net.op("Softmax", scores, axis=-1), parts[2])
    y = net.op("Reshape", net.op("Transpose", y, perm=[2, 0, 1, 3]), [5, 8], allowzero=1)
    y = net.op("Gemm", y, net.weight(8, 8), net.weight(8, scale=0.1), alpha=1.0, beta=1.0, transB=1)
    net.output(net.op("Transpose", net.op("Reshape", y, [5, 1, 8], allowzero=1), perm=[1, 0, 2]))


@network(legacy=True)
def vision_transformer(net):
    # patch embedding, class token, one block, normalised class token to the readout
    width, heads, patches = 8, 2, 4
    x = net.input("x", [1, 3, 8, 8])
    tokens = net.op("Reshape", conv(net, x, 3, width, 4, stride=4), [1, width, patches])
    tokens = net.op("Transpose", tokens, perm=[0, 2, 1])
    tokens = net.op("Concat", net.weight(1, 1, width, scale=0.2), tokens, axis=1)
    tokens = net.op("Add", tokens, net.weight(1, patches + 1, width, scale=0.2))

    def norm(value):
        scale, shift = net.uniform(0.5, 1.5, width), net.weight(width, scale=0.1)
        return net.op("LayerNormalization", value, scale, shift, axis=-1, epsilon=1e-5)

    def linear(value, before, after):
        product = net.op("MatMul", value, net.weight(before, after, scale=before**-0.5))
        return net.op("Add", net.weight(after, scale=0.1), product)

    y = net.op("Reshape", linear(norm(tokens), width, 3 * width), [1, patches + 1, 3, heads, width // heads])
    y = net.op("Transpose", y, perm=[2, 0, 3, 1, 4])
    query, key, value = (net.op("Gather", y, i, axis=0) for i in range(3))
    scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 1, 3, 2]))
    weights = net.op("Softmax", net.op("Mul", scores, 0.5), axis=-1)
    y = net.op("Transpose", net.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    y = linear(net.op("Reshape", y, [1, patches + 1, width]), width, width)
    tokens = net.op("Add", tokens, y)
    hidden = linear(norm(tokens), width, 2 * width)
    erf = net.op("Add", net.op("Erf", net.op("Div", hidden, np.sqrt(2.0))), 1.0)
    gelu = net.op("Mul", net.op("Mul", hidden, erf), 0.5)
    tokens = net.op("Add", tokens, linear(gelu, 2 * width, width))
    net.taps.append(tokens)
    token = net.op("Gather", norm(tokens), 0, axis=1)
    net.output(net.op("Gemm", token, net.weight(5, width), net.weight(5, scale=0.1), alpha=1.0, beta=1.0, transB=1))


@network(opset=20)
def conv_next(net):
    # depthwise 7x7, channels last, LayerNormalization, Gelu, layer scale
    x = net.input("x", [1, 3, 8, 8])
    y = conv(net, x, 3, 6, 2, stride=2)
    z = net.op("Transpose", conv(net, y, 6, 6, 7, pad=3, group=6), perm=[0, 2, 3, 1])
    z = net.op("LayerNormalization", z, net.uniform(0.5, 1.5, 6), net.weight(6, scale=0.1), axis=-1, epsilon=1e-6)
    z = net.op("Gelu", net.op("Add", net.op("MatMul", z, net.weight(6, 12, scale=0.4)), net.weight(12, scale=0.1)))
    z = net.op("Add", net.op("MatMul", z, net.weight(12, 6, scale=0.3)), net.weight(6, scale=0.1))
    z = net.op("Transpose", net.op("Mul", net.uniform(0.1, 0.5, 6), z), perm=[0, 3, 1, 2])
    net.output(net.op("Add", y, z))


@network(opset=9)
def channels_last(net):
    # as tf2onnx writes Keras: transposes around convolutions, operators in between in NHWC
    x = net.input("x", [1, 8, 9, 3])
    y = net.op("Transpose", x, perm=[0, 3, 1, 2])
    y = net.op("Pad", y, mode="constant", pads=[0, 0, 0, 0, 0, 0, 1, 1], value=0.0)
    y = conv(net, y, 3, 6, 3, stride=2)
    y = net.op("Relu", y)
    y = net.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    y = net.op("Mul", net.op("Transpose", y, perm=[0, 2, 3, 1]), net.uniform(0.5, 1.5, 6))
    y = net.op("ReduceMean", net.op("Add", y, net.weight(6, scale=0.2)), axes=[1, 2], keepdims=0)
    y = net.op("Add", net.op("MatMul", y, net.weight(6, 4, scale=0.5)), net.weight(4, scale=0.1))
    net.output(net.op("Softmax", y))


@network()
def half_weights(net):
    # f16 initialisers, widened by Cast where they are used
    def half(*shape):
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 25
        value = grid(net.random.randn(*shape) * (2 / fan_in) ** 0.5)
        return net.op("Cast", net.const(value, dtype="float16"), to=1)

    x = net.input("x", [1, 3, 6, 7])
    y = net.op("Conv", x, half(4, 3, 3, 3), half(4), kernel_shape=[3, 3], pads=[1] * 4)
    y = net.op("Flatten", net.op("Tanh", y))
    net.output(net.op("Gemm", y, half(5, 168), half(5), transB=1))


@network(dtype="float16")
def half_model(net):
    # inputs, weights and outputs in f16
    x = net.input("x", [1, 3, 6, 7])
    y = net.op("Conv", x, net.weight(4, 3, 3, 3), net.weight(4, scale=0.2), kernel_shape=[3, 3], pads=[1] * 4)
    y = net.op("Mul", net.op("Sigmoid", y), 0.5)
    y = net.op("Flatten", net.op("GlobalAveragePool", y))
    net.output(net.op("Gemm", y, net.weight(5, 4), net.weight(5, scale=0.1), transB=1))
