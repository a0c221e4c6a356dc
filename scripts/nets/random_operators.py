"""Random cases of element-wise operators, reductions and products; see random_cases.py."""

from .random_cases import generator

SPANS = {
    "Acos": (-0.9, 0.9),
    "Acosh": (1.2, 4),
    "Asin": (-0.9, 0.9),
    "Atanh": (-0.9, 0.9),
    "Cosh": (-2, 2),
    "Log": (0.1, 4),
    "Reciprocal": (0.3, 3),
    "Sinh": (-2, 2),
    "Sqrt": (0.1, 4),
    "Tan": (-1.2, 1.2),
}
PLAIN = ("Abs", "Asinh", "Atan", "Cos", "Erf", "Exp", "Neg", "Relu", "Sigmoid", "Sin", "Softplus", "Softsign", "Tanh")
PARAMETERS = {
    "Celu": dict(alpha=(0.3, 2)),
    "Elu": dict(alpha=(0.3, 2)),
    "HardSigmoid": dict(alpha=(0.1, 0.8), beta=(0.3, 0.7)),
    "HardSwish": {},
    "LeakyRelu": dict(alpha=(0.01, 0.5)),
    "Mish": {},
    "Selu": dict(alpha=(1, 2), gamma=(0.5, 1.5)),
    "Shrink": dict(lambd=(0.1, 1), bias=(0, 0.5)),
    "ThresholdedRelu": dict(alpha=(0.1, 1)),
}


@generator(*SPANS, *PLAIN)
def smooth(draw):
    net = draw.start()
    x = net.input("x", draw.shape(draw.integer(1, 4)), span=SPANS.get(draw.kind))
    net.output(net.op(draw.kind, x))


@generator(*PARAMETERS)
def parametric(draw):
    net = draw.start(draw.choice([18, 20, 22]))
    given = {name: draw.number(*span) for name, span in PARAMETERS[draw.kind].items() if draw.maybe(0.7)}
    net.output(net.op(draw.kind, net.input("x", draw.shape(draw.integer(1, 4))), **given))


@generator("Gelu", weight=2)
def gelu(draw):
    net = draw.start(draw.choice([20, 22]))
    x = net.input("x", draw.shape(draw.integer(1, 4)))
    net.output(net.op("Gelu", x, approximate=draw.choice(["none", "tanh"])))


@generator("PRelu", weight=2)
def prelu(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(2, 4))
    slope = draw.choice([[1], shape[-1:], [shape[1], *[1] * (len(shape) - 2)], shape])
    net.output(net.op("PRelu", net.input("x", shape), net.uniform(0.1, 0.6, *slope)))


@generator("Clip", weight=2)
def clip(draw):
    net = draw.start(draw.choice([9, 12, 17, 22]))
    bounds = [draw.number(-1, -0.2) if draw.maybe(0.7) else None, draw.number(0.2, 1) if draw.maybe(0.7) else None]
    x = net.input("x", draw.shape(draw.integer(1, 4)))
    if net.opset < 11:
        net.output(net.op("Clip", x, **{k: v for k, v in zip(("min", "max"), bounds) if v is not None}))
    else:
        net.output(net.op("Clip", x, *bounds))


def broadcastable(draw, shape):
    """A shape that broadcasts against `shape`: axes of one, or fewer axes."""
    other = [1 if draw.maybe(0.35) else n for n in shape]
    return other[draw.integer(0, len(other)) :] if draw.maybe(0.3) else other


@generator("Add", "Sub", "Mul", "Div", "Pow", weight=3)
def binary(draw):
    """Both operands are inputs, or one of them is a constant; broadcast both ways."""
    net = draw.start()
    whole = draw.shape(draw.integer(1, 4))
    shapes = [broadcastable(draw, whole), whole] if draw.maybe() else [whole, broadcastable(draw, whole)]
    if draw.maybe(0.3):
        shapes = [[1 if draw.maybe(0.3) else n for n in whole], broadcastable(draw, whole)]
    spans = {"Div": [None, (0.4, 2)], "Pow": [(0.3, 2), (-1.5, 2)]}.get(draw.kind, [None, None])
    constant = draw.choice([None, 0, 1])
    operands = []
    for i, (shape, span) in enumerate(zip(shapes, spans)):
        if i == constant:
            operands.append(net.uniform(*(span or (-2, 2)), *shape))
        else:
            operands.append(net.input("ab"[i], shape, span=span))
    net.output(net.op(draw.kind, *operands))


@generator("Max", "Min", "Sum", "Mean", weight=2)
def variadic(draw):
    net = draw.start()
    whole = draw.shape(draw.integer(1, 3))
    count = draw.integer(1, 3)
    operands = [net.input("a", whole)]
    for i in range(count - 1):
        shape = broadcastable(draw, whole)
        operands.append(net.weight(*shape, scale=1.0) if draw.maybe() else net.input("bc"[i], shape))
    net.output(net.op(draw.kind, *operands))


@generator("Where", weight=2)
def where(draw):
    net = draw.start()
    whole = draw.shape(draw.integer(1, 3))
    condition = net.const(draw.random.rand(*broadcastable(draw, whole)) > 0.5, dtype=bool)
    a = net.input("a", whole)
    b = net.input("b", broadcastable(draw, whole)) if draw.maybe() else net.weight(*whole)
    net.output(net.op("Where", condition, *(draw.choice([(a, b), (b, a)]))))


@generator("Mod")
def modulo(draw):
    net = draw.start()
    x = net.input("x", draw.shape(draw.integer(1, 3)))
    net.output(net.op("Mod", x, draw.number(0.6, 1.5), fmod=1))


REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")


@generator(*(f"Reduce{name}" for name in REDUCTIONS), weight=2)
def reduce(draw):
    net = draw.start(draw.choice([11, 13, 17, 18, 22]))
    shape = draw.shape(draw.integer(1, 4))
    axes = sorted(draw.random.permutation(len(shape))[: draw.integer(1, len(shape))].tolist())
    if draw.maybe():
        axes = [a - len(shape) for a in axes]
    axes = None if draw.maybe(0.15) else axes
    span = (0.3, 2) if draw.kind in ("ReduceLogSum", "ReduceProd", "ReduceL2") else None
    x = net.input("x", shape, span=span)
    attributes = dict(keepdims=draw.integer(0, 1))
    as_input = net.opset >= (13 if draw.kind == "ReduceSum" else 18)
    inputs = [axes] if as_input and axes is not None else []
    if not as_input and axes is not None:
        attributes["axes"] = axes
    net.output(net.op(draw.kind, x, *inputs, **attributes))


@generator("CumSum", weight=2)
def running_sum(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 3), 2, 5)
    x = net.input("x", shape)
    attributes = dict(exclusive=draw.integer(0, 1), reverse=draw.integer(0, 1))
    net.output(net.op("CumSum", x, draw.integer(-len(shape), len(shape) - 1), **attributes))


# Products


@generator("MatMul", weight=8)
def matmul(draw):
    net = draw.start()
    m, k, n = draw.integers(3, 1, 5)
    batch = draw.shape(draw.integer(0, 2), 1, 3, 9)
    shapes = [[*broadcastable(draw, batch), m, k], [*batch, k, n]]
    if draw.maybe():
        shapes = [[*batch, m, k], [*broadcastable(draw, batch), k, n]]
    if draw.maybe(0.15):
        shapes[0] = [k]
    elif draw.maybe(0.15):
        shapes[1] = [k]
    constant = draw.choice([None, 0, 1, 1])
    operands = [
        net.weight(*shape, scale=0.7) if i == constant else net.input("ab"[i], shape) for i, shape in enumerate(shapes)
    ]
    net.output(net.op("MatMul", *operands))


@generator("Gemm", weight=5)
def gemm(draw):
    net = draw.start()
    m, k, n = draw.integers(3, 1, 6)
    turned = [draw.integer(0, 1), draw.integer(0, 1)]
    shapes = [[k, m] if turned[0] else [m, k], [n, k] if turned[1] else [k, n]]
    constant = draw.choice([None, 0, 1, 1, 1])
    operands = [
        net.weight(*shape, scale=0.7) if i == constant else net.input("ab"[i], shape) for i, shape in enumerate(shapes)
    ]
    if draw.maybe(0.7):
        shape = draw.choice([[n], [m, n], [m, 1], [1, n], [1]])
        operands.append(net.weight(*shape) if draw.maybe(0.7) else net.input("c", shape))
    attributes = dict(alpha=draw.number(0.3, 2), beta=draw.number(0.3, 2)) if draw.maybe() else {}
    net.output(net.op("Gemm", *operands, transA=turned[0], transB=turned[1], **attributes))


@generator("Einsum", weight=6)
def einsum(draw):
    net = draw.start()
    equation = draw.choice(
        ["ij,jk->ik", "bij,bjk->bik", "bij,bkj->bki", "i,j->ij", "bij,ij->b", "bhid,bhjd->bhij", "bij->bji", "bij->ij",
         "...ij,jk->...ik", "ij,ij->", "bi,ij,bj->b", "ijk,il->jkl", "bhij,bhjd->bihd", "ii->i", "bij,j->bi"]
    )  # fmt: skip
    sizes = {name: draw.integer(1, 4) for name in set(equation) if name.isalpha()}
    terms = equation.split("->")[0].split(",")
    if equation.startswith("..."):
        shapes = [[draw.integer(1, 3), sizes["i"], sizes["j"]], [sizes["j"], sizes["k"]]]
    else:
        shapes = [[sizes[name] for name in term] for term in terms]
    constant = draw.integer(0, len(terms)) if len(terms) > 1 else None
    operands = [
        net.weight(*shape, scale=0.7) if i == constant else net.input("abc"[i], shape) for i, shape in enumerate(shapes)
    ]
    net.output(net.op("Einsum", *operands, equation=equation))


@generator("Trilu")
def triangle(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(2, 3), 2, 5)
    net.output(net.op("Trilu", net.input("x", shape), draw.integer(-1, 1), upper=draw.integer(0, 1)))


@generator("TopK", weight=2)
def top_k(draw):
    net = draw.start()
    shape = draw.shape(draw.integer(1, 3), 2, 6)
    axis = draw.integer(-len(shape), len(shape) - 1)
    x = net.input("x", shape)
    values, _ = net.op("TopK", x, [draw.integer(1, shape[axis])], outputs=2, axis=axis, largest=draw.integer(0, 1))
    net.output(values)
