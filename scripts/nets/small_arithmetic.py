"""Small networks of element-wise arithmetic, activations, products and reductions, as exporters write them."""

import numpy as np

from .catalogue import network


def total(net, *parts):
    result = parts[0]
    for part in parts[1:]:
        result = net.op("Add", result, part)
    return result


@network(legacy=True)
def elementwise_rational(net):
    # sigmoid(x) tanh(x) + exp(-x x) / (1 + x x) - sqrt(x x + 0.1)
    x = net.input("x", [1, 3, 7, 8])
    gate = net.op("Mul", net.op("Sigmoid", x), net.op("Tanh", x))
    bell = net.op("Exp", net.op("Mul", net.op("Neg", x), x))
    bell = net.op("Div", bell, net.op("Add", net.op("Mul", x, x), 1.0))
    root = net.op("Sqrt", net.op("Add", net.op("Mul", x, x), 0.1))
    net.output(net.op("Sub", net.op("Add", gate, bell), root))


@network(legacy=True)
def elementwise_powers(net):
    x = net.input("x", [1, 3, 7, 8])
    square = net.op("Mul", x, x)
    parts = [
        net.op("Log", net.op("Add", square, 1.0)),
        net.op("Abs", x),
        net.op("Pow", net.op("Add", square, 0.5), 1.3),
        net.op("Pow", x, 3.0),
        net.op("LeakyRelu", x, alpha=0.1),
        net.op("Elu", x, alpha=1.0),
        net.op("Softplus", x),
    ]
    net.output(total(net, *parts))


@network(legacy=True)
def elementwise_gates(net):
    # gelu, silu, hardtanh, sin cos, erf, clamp, each as a chain of operators
    x = net.input("x", [1, 3, 7, 8])
    erf = net.op("Erf", net.op("Div", x, np.sqrt(2.0)))
    gelu = net.op("Mul", net.op("Mul", x, net.op("Add", erf, 1.0)), 0.5)
    parts = [
        gelu,
        net.op("Mul", x, net.op("Sigmoid", x)),
        net.op("Clip", x, -0.5, 0.7),
        net.op("Mul", net.op("Sin", x), net.op("Cos", x)),
        net.op("Erf", x),
        net.op("Clip", x, -0.3, 0.4),
    ]
    net.output(total(net, *parts))


@network(opset=20)
def elementwise_bounds(net):
    # hardswish, hardsigmoid, maximum, minimum, rsqrt, relu6, softplus with its branch
    x = net.input("x", [1, 3, 7, 8])
    softplus = net.op("Where", net.op("Greater", x, 20.0), x, net.op("Softplus", x))
    root = net.op("Sqrt", net.op("Add", net.op("Mul", x, x), 1.0))
    parts = [
        net.op("HardSwish", x),
        net.op("HardSigmoid", x, alpha=1 / 6, beta=0.5),
        net.op("Max", x, net.op("Mul", x, x)),
        net.op("Min", x, net.op("Neg", x)),
        net.op("Reciprocal", root),
        net.op("Clip", net.op("Mul", x, 6.0), 0.0, 6.0),
        softplus,
    ]
    net.output(total(net, *parts))


@network(opset=20)
def gelu(net):
    x = net.input("x", [2, 5, 8])
    net.output(net.op("Gelu", x, approximate="none"), net.op("Gelu", x, approximate="tanh"))


@network(legacy=True)
def gelu_tanh_decomposed(net):
    x = net.input("x", [2, 5, 8])
    cubic = net.op("Mul", 0.044715, net.op("Mul", x, net.op("Mul", x, x)))
    inner = net.op("Mul", 0.7978845608, net.op("Add", x, cubic))
    net.output(net.op("Mul", 0.5, net.op("Mul", x, net.op("Add", 1.0, net.op("Tanh", inner)))))


@network(opset=22)
def elementwise_trigonometric(net):
    x = net.input("x", [2, 30], span=(-0.9, 0.9))
    inside = ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Atanh")
    parts = [net.op(kind, x) for kind in inside]
    parts.append(net.op("Acosh", net.op("Add", x, 2.5)))
    net.output(net.op("Concat", *parts, axis=0))


@network(opset=22)
def elementwise_activations(net):
    x = net.input("x", [2, 30])
    parts = [
        net.op("Celu", x, alpha=0.7),
        net.op("Selu", x),
        net.op("Shrink", x, lambd=0.5, bias=0.25),
        net.op("ThresholdedRelu", x, alpha=0.4),
        net.op("Mish", x),
        net.op("Softsign", x),
        net.op("Softplus", x),
        net.op("HardSigmoid", x),
        net.op("Elu", x, alpha=1.5),
        net.op("PRelu", x, net.uniform(0.1, 0.4, 30)),
        net.op("Relu", x),
        net.op("Reciprocal", net.op("Add", net.op("Abs", x), 0.5)),
    ]
    net.output(net.op("Concat", *parts, axis=0))


@network(opset=18)
def elementwise_piecewise(net):
    # steps have no slope but scale what does; Mod has slope one
    x = net.input("x", [2, 20])
    parts = [
        net.op("Mul", x, net.op("Sign", x)),
        net.op("Mul", x, net.op("Floor", x)),
        net.op("Mul", x, net.op("Ceil", x)),
        net.op("Mul", x, net.op("Round", x)),
        net.op("Mod", x, 0.7, fmod=1),
        net.op("Clip", x, None, 0.5),
        net.op("Clip", x, -0.25, None),
        net.op("Clip", x),
    ]
    net.output(net.op("Concat", *parts, axis=0))


@network(opset=13)
def variadic(net):
    x = net.input("x", [2, 3, 4])
    a, b = net.weight(3, 4, scale=0.5), net.weight(2, 1, 4, scale=0.5)
    net.output(*(net.op(kind, x, a, b) for kind in ("Max", "Min", "Sum", "Mean")))


@network(opset=9)
def clip_attributes(net):
    # Clip before operator set 11 has its bounds as attributes
    x = net.input("x", [3, 10])
    net.output(net.op("Clip", x, min=-0.5, max=0.75))


@network()
def where_power(net):
    x = net.input("x", [2, 3, 7, 4])
    y = net.op("Where", net.op("Greater", x, 0.0), net.op("Mul", x, x), net.op("Mul", x, 0.1))
    both = net.op("And", net.op("LessOrEqual", x, 1.0), net.op("Not", net.op("Less", x, -1.0)))
    net.output(y, net.op("Where", both, net.op("Pow", net.op("Exp", x), net.weight(4)), x))


@network(opset=18)
def prelu(net):
    x = net.input("x", [2, 4, 5, 4])
    net.output(net.op("PRelu", x, net.uniform(0.1, 0.4, 4, 1, 1)))


@network(legacy=True)
def broadcast_statistics(net):
    # x mean(x, channels) + x / sqrt(sum(x^2, space) + 1)
    x = net.input("x", [2, 3, 5, 6])
    first = net.op("Mul", x, net.op("ReduceMean", x, axes=[1], keepdims=1))
    power = net.op("ReduceSum", net.op("Pow", x, 2.0), [2, 3], keepdims=1)
    net.output(net.op("Add", first, net.op("Div", x, net.op("Sqrt", net.op("Add", power, 1.0)))))


@network(legacy=True)
def reduce_mixed(net):
    # x.sum(3) + x.mean(2, keepdim).squeeze(2).sum(-1, keepdim) + x.amax(3)
    x = net.input("x", [2, 3, 6, 6])
    mean = net.op("Squeeze", net.op("ReduceMean", x, axes=[2], keepdims=1), [2])
    parts = [
        net.op("ReduceSum", x, [3], keepdims=0),
        net.op("ReduceSum", mean, [-1], keepdims=1),
        net.op("ReduceMax", x, axes=[3], keepdims=0),
    ]
    net.output(total(net, *parts))


@network(opset=18)
def reduce_every_kind(net):
    x = net.input("x", [2, 3, 4], span=(0.25, 2.0))
    kinds = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
    rows = [net.op(f"Reduce{kind}", net.op("Sub", x, 1.5) if kind == "L1" else x, [1], keepdims=0) for kind in kinds]
    whole = [net.op("ReduceSum", x, keepdims=0), net.op("ReduceMean", x, [0, -1], keepdims=1)]
    net.output(net.op("Concat", *rows, axis=0), *whole, net.op("ReduceProd", x, [0, 2], keepdims=0))


@network(opset=20)
def reduce_deviation(net):
    # x.std(1) + x.norm(dim=1) + logsumexp(x, 1)
    x = net.input("x", [2, 5, 6])
    centred = net.op("Sub", x, net.op("ReduceMean", x, [1], keepdims=1))
    variance = net.op("ReduceMean", net.op("Mul", centred, centred), [1], keepdims=0)
    deviation = net.op("Sqrt", net.op("Div", net.op("Mul", variance, 5.0), 4.0))
    rest = net.op("ReduceL2", x, [1], keepdims=0), net.op("ReduceLogSumExp", x, [1], keepdims=0)
    net.output(total(net, deviation, *rest))


# Products


@network()
def mlp(net):
    x = net.input("x", [2, 3, 4, 5])
    x = net.op("Flatten", x, axis=1)
    x = net.op("Gemm", x, net.weight(12, 60), net.weight(12, scale=0.2), alpha=1.0, beta=1.0, transB=1)
    x = net.op("Relu", x)
    net.output(net.op("Gemm", x, net.weight(7, 12), net.weight(7, scale=0.2), alpha=1.0, beta=1.0, transB=1))


@network(opset=13)
def gemm_forms(net):
    x = net.input("x", [4, 6])
    net.output(
        net.op("Gemm", x, net.weight(4, 3), net.weight(6, 1), alpha=0.5, beta=2.0, transA=1),
        net.op("Gemm", net.weight(5, 6), x, alpha=1.5, transB=1),
        net.op("Gemm", x, net.weight(6, 3), net.weight(3)),
        net.op("Gemm", x, x, transA=1, alpha=0.25),
    )


@network()
def matmul_broadcast(net):
    x = net.input("x", [2, 3, 4, 5])
    net.output(
        net.op("MatMul", x, net.weight(5, 3)),
        net.op("MatMul", x, net.weight(3, 5, 2)),
        net.op("MatMul", net.weight(2, 1, 3, 4), x),
        net.op("MatMul", x, net.weight(5)),
        net.op("MatMul", net.weight(4), x),
    )


@network(opset=13)
def einsum_forms(net):
    x = net.input("x", [2, 3, 4])
    net.output(
        net.op("Einsum", x, x, equation="bij,bkj->bik"),
        net.op("Einsum", x, net.weight(4, 5), equation="...j,jk->...k"),
        net.op("Einsum", x, net.weight(3, 2), equation="bij,ik->bkj"),
        net.op("Einsum", x, net.weight(2, 4), equation="bij,bj->i"),
        net.op("Einsum", x, equation="bij->jb"),
    )
