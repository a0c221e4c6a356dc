"""Random single-operator cases: make_nets.py --random N --seed S --out DIR [--only OPERATOR ...].

Each case is one operator with random shapes and attributes, at most 80 elements per input, at a point away from
kinks, in the format of reference.py: DIR/0007_Conv.onnx and DIR/0007_Conv.npz. Operators take turns by weight, so that
every operator appears once N is at least the number of operators (listed by `--random 0`).
"""

import time
import zlib

import numpy as np

from . import reference
from .build import Net

GENERATORS = {}
LARGEST_INPUT = 80
LARGEST_WORK = 4000
ATTEMPTS = 60


class Retry(Exception):
    """These random attributes make no valid case."""


def generator(*operators, weight=1):
    """Registers `f(draw)` that adds one node to `draw.net` and returns nothing."""

    def register(function):
        for name in operators:
            assert name not in GENERATORS, name
            GENERATORS[name] = (function, weight)
        return function

    return register


class Draw:
    """The random choices of one case, and the network that they make."""

    def __init__(self, kind, seed):
        self.kind, self.random = kind, np.random.RandomState(seed)
        self.net = None

    def start(self, opset=None):
        """The network; without a choice, one of the operator sets in use."""
        self.net = Net(self.kind, opset or int(self.choice([17, 18, 20, 21, 22])))
        self.net.random = self.random
        return self.net

    def choice(self, options):
        return options[self.random.randint(len(options))]

    def integer(self, low, high):
        """Both ends included."""
        return int(self.random.randint(low, high + 1))

    def integers(self, count, low, high):
        return [self.integer(low, high) for _ in range(count)]

    def maybe(self, chance=0.5):
        return self.random.uniform() < chance

    def number(self, low, high):
        return float(np.round(self.random.uniform(low, high), 2))

    def shape(self, rank, low=1, high=5, largest=LARGEST_INPUT):
        while True:
            shape = self.integers(rank, low, high)
            if np.prod(shape) <= largest:
                return shape


def one_case(kind, seed):
    """The model's bytes and arrays of one case."""
    for attempt in range(ATTEMPTS):
        draw = Draw(kind, (seed + 104729 * attempt) % 2**32)
        try:
            GENERATORS[kind][0](draw)
            net = draw.net
            model = net.model()
            sizes = [int(np.prod([d.dim_value for d in i.type.tensor_type.shape.dim])) for i in net.inputs]
            if max(sizes) > LARGEST_INPUT or min(sizes) == 0:
                raise Retry(f"inputs of {sizes}")
            if sum(int(np.prod([d.dim_value for d in o.type.tensor_type.shape.dim])) for o in model.graph.output) == 0:
                raise Retry("no output elements")
            arrays = reference.make_case(model, net.spans, seed, attempts=40)
            # an f32 gradient far below the cotangent is rounding noise, which says nothing about an implementation
            steepest = reference.largest([v for k, v in arrays.items() if k.startswith("dx")])
            if not 1e-2 <= steepest <= 1e3:
                raise Retry(f"largest gradient {steepest:.1e}")
            return reference.serialised(model), reference.pack(arrays)
        except (Retry, reference.NoSmoothInput):
            continue
    raise RuntimeError(f"{kind}: no valid case in {ATTEMPTS} attempts (seed {seed})")


def turns(names):
    """Operators in turn, an operator of weight w w times in each round, spread over the round."""
    rounds = max(GENERATORS[n][1] for n in names)
    return [n for turn in range(rounds) for n in names if turn < GENERATORS[n][1]]


def write(folder, count, seed, only):
    names = [n for n in GENERATORS if not only or n in only]
    unknown = set(only or ()) - set(GENERATORS)
    if unknown or count == 0:
        print(f"unknown: {sorted(unknown)}; operators: {' '.join(sorted(GENERATORS))}")
        return sorted(unknown)
    folder.mkdir(parents=True, exist_ok=True)
    begun, order, failed = time.monotonic(), turns(names), []
    for i in range(count):
        kind = order[i % len(order)]
        name = f"{i:04d}_{kind}"
        try:
            model, arrays = one_case(kind, zlib.crc32(f"{seed}/{i}/{kind}".encode()))
        except Exception as error:  # the others are still made
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        (folder / f"{name}.onnx").write_bytes(model)
        (folder / f"{name}.npz").write_bytes(arrays)
    print(
        f"{count - len(failed)} cases, {len(names)} operators, {time.monotonic() - begun:.1f} s, {len(failed)} failed"
    )
    return failed


def load_generators():
    from . import random_layers, random_operators, random_shapes  # noqa: F401


load_generators()
