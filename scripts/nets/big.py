"""Networks of published shapes with seeded He weights, 1x3x224x224, and cases for foreign ONNX files.

    make_nets.py --big DIR [--only NAME ...]
    make_nets.py --model FILE --out DIR [--span LOW HIGH] [--seed S] [--tap TENSOR]

The graphs have the operators that torch's exporters write; initialisers carry the names of torch's state_dict, so that
scripts/bench_gradient.py can load the same weights. Outputs and gradients come from reverse.py alone: reference.check
has shown on small networks and random cases that its operators are right, and here a few random directions are
compared with central differences as well.

- resnet18 (batch norms folded into the convolutions, as an export is) and resnet18_bn (kept): He et al., CVPR 2016
- alexnet: Krizhevsky et al. 2012 in torchvision's form, with a head of 512 units
- vone_block: V1 block of VOneNet, 256 simple and 256 complex cells, 25x25, stride 4: Dapello et al., NeurIPS 2020
- cornet_s: recurrent blocks of CORnet-S, unrolled 2, 4 and 2 times, weights shared: Kubilius et al., NeurIPS 2019
- vit_tiny (12 blocks) and vit_tiny_4 (4 blocks): Touvron et al., ICML 2021
- convnext_tiny: Liu et al., CVPR 2022
"""

import re
import time
import zlib

import numpy as np
import onnx

from . import reference, reverse, tape
from .build import Net
from .small_networks import gabor_pair

EPSILON = 1e-5
DIRECTIONS = 3
NETWORKS = {}


class BigNet(Net):
    """Weights are f32 normals with names of a state_dict, without rounding."""

    def he(self, name, *shape, gain=2.0, fan_in=None):
        fan_in = fan_in or int(np.prod(shape[1:]))
        return self.const(self.random.randn(*shape) * np.sqrt(gain / fan_in), name)

    def small(self, name, *shape, scale=0.02):
        return self.const(self.random.randn(*shape) * scale, name)

    def spread(self, name, low, high, *shape):
        return self.const(self.random.uniform(low, high, shape), name)

    def conv(self, x, name, channels, out, kernel, stride=1, pad=None, group=1, bias=True, weight=None):
        weight = weight or self.he(f"{name}.weight", out, channels // group, kernel, kernel)
        pad = kernel // 2 if pad is None else pad
        return self.op(
            "Conv",
            x,
            weight,
            *([self.small(f"{name}.bias", out)] if bias else []),
            dilations=[1, 1],
            group=group,
            kernel_shape=[kernel] * 2,
            pads=[pad] * 4,
            strides=[stride] * 2,
        )

    def batch_norm(self, x, name, channels):
        parameters = (
            self.spread(f"{name}.weight", 0.5, 1.5, channels),
            self.small(f"{name}.bias", channels, scale=0.1),
            self.small(f"{name}.running_mean", channels, scale=0.1),
            self.spread(f"{name}.running_var", 0.5, 1.5, channels),
        )
        return self.op("BatchNormalization", x, *parameters, epsilon=EPSILON)

    def linear(self, x, name, before, after, gain=2.0):
        weight = self.he(f"{name}.weight", after, before, gain=gain)
        bias = self.small(f"{name}.bias", after)
        return self.op("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transB=1)

    def token_linear(self, x, name, before, after):
        """A linear layer on [batch, tokens, features]: the weight lies transposed, as exporters store it."""
        weight = self.he(f"{name}.weight.T", before, after, gain=1.0, fan_in=before)
        return self.op("Add", self.small(f"{name}.bias", after), self.op("MatMul", x, weight))

    def layer_norm(self, x, name, width, epsilon=EPSILON):
        scale, shift = self.spread(f"{name}.weight", 0.8, 1.2, width), self.small(f"{name}.bias", width)
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)


def network(opset=17, smooth=False):
    def register(function):
        NETWORKS[function.__name__] = (function, opset, smooth)
        return function

    return register


def image(net):
    return net.input("x", [1, 3, 224, 224], span=(0, 1))


def pooled_head(net, x, name, channels, classes):
    return net.linear(net.op("Flatten", net.op("GlobalAveragePool", x), axis=1), name, channels, classes, gain=1.0)


@network()
def resnet18_bn(net):
    x = net.batch_norm(net.conv(image(net), "conv1", 3, 64, 7, 2, bias=False), "bn1", 64)
    x = net.op("MaxPool", net.op("Relu", x), kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2], dilations=[1, 1])
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = net.op(
                "Relu",
                net.batch_norm(
                    net.conv(x, f"{name}.conv1", before, width, 3, stride, bias=False), f"{name}.bn1", width
                ),
            )
            y = net.batch_norm(net.conv(y, f"{name}.conv2", width, width, 3, bias=False), f"{name}.bn2", width)
            if stride == 2:
                x = net.conv(x, f"{name}.downsample.0", before, width, 1, 2, bias=False)
                x = net.batch_norm(x, f"{name}.downsample.1", width)
            x, before = net.op("Relu", net.op("Add", y, x)), width
    net.output(pooled_head(net, x, "fc", 512, 1000))


@network()
def resnet18(net):
    """resnet18_bn with its batch norms folded in."""
    net.random = np.random.RandomState(zlib.crc32(b"resnet18_bn"))
    resnet18_bn(net)
    fold_batch_norms(net)


def fold_batch_norms(net):
    values = {t.name: onnx.numpy_helper.to_array(t).astype(np.float64) for t in net.initialisers}
    made_by = {node.output[0]: node for node in net.nodes}
    kept = []
    for node in net.nodes:
        if node.op_type != "BatchNormalization":
            kept.append(node)
            continue
        conv = made_by[node.input[0]]
        scale, shift, mean, variance = (values[name] for name in node.input[1:])
        slope = scale / np.sqrt(variance + EPSILON)
        values[conv.input[1]] = values[conv.input[1]] * slope[:, None, None, None]
        bias = conv.input[1].replace("weight", "bias")
        values[bias] = shift - mean * slope
        conv.input.append(bias)
        conv.output[0] = node.output[0]
    used = {name for node in kept for name in node.input}
    net.nodes = kept
    net.initialisers = [
        onnx.numpy_helper.from_array(v.astype(np.float32), name) for name, v in values.items() if name in used
    ]


@network()
def alexnet(net):
    x = image(net)
    layers = [
        (0, 3, 64, 11, 4, 2),
        (3, 64, 192, 5, 1, 2),
        (6, 192, 384, 3, 1, 1),
        (8, 384, 256, 3, 1, 1),
        (10, 256, 256, 3, 1, 1),
    ]
    for number, before, width, kernel, stride, pad in layers:
        x = net.op("Relu", net.conv(x, f"features.{number}", before, width, kernel, stride, pad))
        if number in (0, 3, 10):
            x = net.op("MaxPool", x, kernel_shape=[3, 3], pads=[0] * 4, strides=[2, 2], dilations=[1, 1])
    x = net.op("Relu", net.linear(net.op("Flatten", x, axis=1), "classifier.0", 9216, 512))
    net.output(net.linear(x, "classifier.2", 512, 100, gain=1.0))


@network()
def vone_block(net):
    simple = 256
    even, odd = gabor_pair(net.random, 512, 25, frequencies=(0.02, 0.2), widths=(2, 6))
    x = image(net)
    first = net.conv(x, "q0", 3, 512, 25, 4, bias=False, weight=net.const(even, "q0.weight"))
    second = net.conv(x, "q1", 3, 512, 25, 4, bias=False, weight=net.const(odd, "q1.weight"))
    energy = [net.op("Pow", net.op("Slice", q, [simple], [2 * simple], [1], [1]), 2.0) for q in (first, second)]
    energy = net.op("Sqrt", net.op("Add", net.op("Add", *energy), 1e-12))
    cells = net.op("Relu", net.op("Slice", first, [0], [simple], [1], [1]))
    cells = net.op("Concat", cells, net.op("Div", energy, np.sqrt(2.0)), axis=1)
    net.output(net.conv(net.op("Mul", cells, 25.0), "bottleneck", 512, 64, 1, bias=False))


@network()
def cornet_s(net):
    width = 64
    x = net.op("Relu", net.batch_norm(net.conv(image(net), "V1.conv1", 3, width, 7, 2, bias=False), "V1.norm1", width))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2], dilations=[1, 1])
    x = net.op("Relu", net.batch_norm(net.conv(x, "V1.conv2", width, width, 3, bias=False), "V1.norm2", width))
    for area, before, after, times in (("V2", 64, 128, 2), ("V4", 128, 256, 4), ("IT", 256, 512, 2)):
        x = recurrent_area(net, x, area, before, after, times)
    net.output(pooled_head(net, x, "decoder", 512, 100))


def recurrent_area(net, x, area, before, after, times, scale=4):
    inner = after * scale
    x = net.conv(x, f"{area}.conv_input", before, after, 1, bias=False)
    skip = net.batch_norm(net.conv(x, f"{area}.skip", after, after, 1, 2, bias=False), f"{area}.norm_skip", after)
    shared = [
        net.he(f"{area}.conv1.weight", inner, after, 1, 1),
        net.he(f"{area}.conv2.weight", inner, inner, 3, 3),
        net.he(f"{area}.conv3.weight", after, inner, 1, 1),
    ]
    for t in range(times):
        skip = skip if t == 0 else x
        shapes = ((after, inner, 1, 1), (inner, inner, 3, 2 if t == 0 else 1), (inner, after, 1, 1))
        for i, (weight, (a, b, kernel, stride)) in enumerate(zip(shared, shapes), 1):
            x = net.conv(x, "", a, b, kernel, stride, bias=False, weight=weight)
            x = net.batch_norm(x, f"{area}.norm{i}_{t}", b)
            x = net.op("Relu", x if i < 3 else net.op("Add", x, skip))
    return x


def vision_transformer(net, blocks, width=192, heads=3, patch=16):
    count = (224 // patch) ** 2
    x = net.conv(image(net), "patch_embed", 3, width, patch, patch, pad=0)
    x = net.op("Transpose", net.op("Reshape", x, [1, width, count]), perm=[0, 2, 1])
    x = net.op("Concat", net.small("cls_token", 1, 1, width), x, axis=1)
    x = net.op("Add", x, net.small("pos_embed", 1, count + 1, width))
    for i in range(blocks):
        name = f"blocks.{i}"
        y = net.token_linear(net.layer_norm(x, f"{name}.norm1", width), f"{name}.qkv", width, 3 * width)
        y = net.op("Reshape", y, [1, count + 1, 3, heads, width // heads])
        y = net.op("Transpose", y, perm=[2, 0, 3, 1, 4])
        query, key, value = (net.op("Gather", y, part, axis=0) for part in range(3))
        scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 1, 3, 2]))
        weights = net.op("Softmax", net.op("Mul", scores, (width // heads) ** -0.5), axis=-1)
        y = net.op("Transpose", net.op("MatMul", weights, value), perm=[0, 2, 1, 3])
        x = net.op(
            "Add", x, net.token_linear(net.op("Reshape", y, [1, count + 1, width]), f"{name}.proj", width, width)
        )
        y = net.token_linear(net.layer_norm(x, f"{name}.norm2", width), f"{name}.fc1", width, 4 * width)
        erf = net.op("Add", net.op("Erf", net.op("Div", y, np.sqrt(2.0))), 1.0)
        y = net.op("Mul", net.op("Mul", y, erf), 0.5)
        x = net.op("Add", x, net.token_linear(y, f"{name}.fc2", 4 * width, width))
    token = net.op("Gather", net.layer_norm(x, "norm", width), 0, axis=1)
    net.output(net.linear(token, "head", width, 100, gain=1.0))


@network(smooth=True)
def vit_tiny(net):
    vision_transformer(net, 12)


@network(smooth=True)
def vit_tiny_4(net):
    vision_transformer(net, 4)


@network(opset=20, smooth=True)
def convnext_tiny(net):
    epsilon = 1e-6

    def channel_norm(value, name, width):
        moved = net.layer_norm(net.op("Transpose", value, perm=[0, 2, 3, 1]), name, width, epsilon)
        return net.op("Transpose", moved, perm=[0, 3, 1, 2])

    x = channel_norm(net.conv(image(net), "stem.0", 3, 96, 4, 4, pad=0), "stem.1", 96)
    before = 96
    for stage, (depth, width) in enumerate(zip((3, 3, 9, 3), (96, 192, 384, 768))):
        if stage:
            x = net.conv(channel_norm(x, f"down.{stage}.0", before), f"down.{stage}.1", before, width, 2, 2, pad=0)
        before = width
        for i in range(depth):
            name = f"stages.{stage}.{i}"
            y = net.op("Transpose", net.conv(x, f"{name}.dwconv", width, width, 7, group=width), perm=[0, 2, 3, 1])
            y = net.token_linear(net.layer_norm(y, f"{name}.norm", width, epsilon), f"{name}.fc1", width, 4 * width)
            y = net.token_linear(net.op("Gelu", y), f"{name}.fc2", 4 * width, width)
            y = net.op("Mul", net.spread(f"{name}.gamma", 0.2, 0.4, width), y)
            x = net.op("Add", x, net.op("Transpose", y, perm=[0, 3, 1, 2]))
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    net.output(net.linear(net.layer_norm(x, "norm", 768, epsilon), "head", 768, 100, gain=1.0))


# Cases


def large_case(model, spans, seed, smooth, wanted=None):
    """A case whose gradient is compared with central differences along a few random directions."""
    own = reverse.Model(model)
    random = np.random.RandomState(seed)
    feeds = {}
    for info in model.graph.input:
        if info.name in own.inputs:
            dims = [d.dim_value or 1 for d in info.type.tensor_type.shape.dim]
            feeds[info.name] = reference.sample(dims, random, spans.get(info.name))
    cotangents = []

    def draw(outputs):
        cotangents[:] = [random.randn(*y.shape).astype(np.float32) for y in outputs]
        return cotangents

    tape.kinks.clear()
    outputs, gradients = own.gradient(feeds, draw, wanted)
    tape.kinks.clear()
    worst = 0.0
    for _ in range(DIRECTIONS):
        ways = {name: random.choice([-1.0, 1.0], value.shape) for name, value in feeds.items()}
        step = 1e-6 * max(reference.largest(feeds.values()), 1e-3)
        sides = []
        for sign in (1, -1):
            moved = {name: value.astype(np.float64) + sign * step * ways[name] for name, value in feeds.items()}
            sides.append(sum(float((y * g).sum()) for y, g in zip(own.forward(moved, wanted), cotangents)))
        along = sum(float((g * ways[name]).sum()) for name, g in zip(feeds, gradients))
        size = np.sqrt(sum(float((g * g).sum()) for g in gradients))
        worst = max(worst, abs((sides[0] - sides[1]) / (2 * step) - along) / size)
    return reference.arrays_of(list(feeds.values()), outputs, cotangents, gradients, smooth), worst


def write_case(folder, name, model, spans, seed, smooth, wanted=None):
    begun = time.monotonic()
    arrays, worst = large_case(model, spans, seed, smooth, wanted)
    (folder / f"{name}.npz").write_bytes(reference.pack(arrays))
    shapes = {key: value.shape for key, value in arrays.items() if key[0] in "xy"}
    print(
        f"{name}: {shapes}, largest dx {np.abs(arrays['dx0']).max():.2e}, central differences differ by {worst:.1e}, "
        f"{time.monotonic() - begun:.1f} s",
        flush=True,
    )
    return [] if worst < (1e-6 if smooth else 1e-2) else [name]


def write(folder, only):
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, (function, opset, smooth) in NETWORKS.items():
        if only and name not in only:
            continue
        net = BigNet(name, opset)
        function(net)
        model = net.model()
        (folder / f"{name}.onnx").write_bytes(reference.serialised(model))
        failed += write_case(folder, name, model, net.spans, zlib.crc32(name.encode()), smooth)
    return failed


def write_foreign(path, folder, span, seed, tap):
    """FILE's case in DIR: a copy of the model and the npz (NAME@TENSOR.npz when an inner tensor is the output)."""
    folder.mkdir(parents=True, exist_ok=True)
    data = path.read_bytes()
    model = onnx.load_model_from_string(data)
    (folder / f"{path.stem}.onnx").write_bytes(data)
    spans = {i.name: span for i in model.graph.input}
    name = f"{path.stem}@{re.sub('[^A-Za-z0-9_.-]', '_', tap)}" if tap else path.stem
    return write_case(folder, name, model, spans, seed, False, [tap] if tap else None)
