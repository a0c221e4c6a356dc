"""Evaluations that other implementations need for the functions of optimisers_functions.rs.

    python optimisers.py            L-BFGS-B of SciPy
    python optimisers.py --cma      CMA-ES of the package cma too (median of those of 11 seeds that get there)

Prints lines: method, function, dimensions, target (of the function, lowered), evaluations until it was reached.
"""

import sys

import numpy as np
from scipy.optimize import minimize


def turned(x):
    v = np.arange(1.0, len(x) + 1)
    return x - 2 * v * (v @ x) / (v @ v)


def sphere(x):
    return x @ x, 2 * x


def ellipsoid(condition):
    def function(x):
        scales = condition ** (np.arange(len(x)) / (len(x) - 1))
        z = turned(x)
        return scales @ z**2, turned(2 * scales * z)

    return function


def rosenbrock(x):
    a, b = x[1:] - x[:-1] ** 2, 1 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[:-1] += -400 * x[:-1] * a - 2 * b
    gradient[1:] += 200 * a
    return 100 * a @ a + b @ b, gradient


def rastrigin(x):
    turn = 2 * np.pi
    return np.sum(x**2 - 10 * np.cos(turn * x) + 10), 2 * x + 10 * turn * np.sin(turn * x)


def around(center, function):
    return lambda x: function(x - center)


class Reached(Exception):
    pass


class Counter:
    """Counts evaluations and ends them at the target."""

    def __init__(self, function, target):
        self.function, self.target, self.count = function, target, 0

    def both(self, x):
        value, gradient = self.function(np.asarray(x))
        self.count += 1
        if value <= self.target:
            raise Reached
        return value, gradient

    def value(self, x):
        return self.both(x)[0]


def scipy_evaluations(function, start, target, bounds=None):
    counter = Counter(function, target)
    options = {"maxcor": 10, "ftol": 0.0, "gtol": 0.0, "maxiter": 10000, "maxfun": 100000}
    try:
        minimize(counter.both, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    except Reached:
        return counter.count
    return -1


def cma_evaluations(function, start, sigma, target, options):
    import cma

    counts = []
    for seed in range(1, 12):
        counter = Counter(function, target)
        try:
            cma.fmin2(counter.value, start, sigma, {"seed": seed, "verbose": -9, "maxfevals": 200000, **options})
        except Reached:
            counts.append(counter.count)
    # Where there are several valleys some seeds end in another: the median is that of those that got there.
    return int(np.median(counts)) if len(counts) > 2 else -1


def smooth():
    banana = np.tile([-1.2, 1.0], 50)
    yield "sphere", sphere, np.ones(10), 1e-10, None
    yield "ellipsoid-1e2", ellipsoid(1e2), np.ones(20), 1e-10, None
    yield "ellipsoid-1e4", ellipsoid(1e4), np.ones(20), 1e-10, None
    for n in (2, 10, 100):
        yield "rosenbrock", rosenbrock, banana[:n], 1e-10, None
    n = 12
    center = np.array([2.0 if i % 3 == 0 else 0.1 * i - 0.5 for i in range(n)])
    function = around(center, ellipsoid(1e2))
    box = [(0.0, 1.0)] * n
    best = minimize(function, np.full(n, 0.5), jac=True, method="L-BFGS-B", bounds=box, options={"ftol": 1e-16, "gtol": 1e-12})
    yield "box", function, np.full(n, 0.5), best.fun * (1 + 1e-8), box


def without_gradient():
    yield "sphere", sphere, 10, 1.0, 0.3, 1e-9, {}
    yield "ellipsoid-1e6", ellipsoid(1e6), 10, 1.0, 0.3, 1e-9, {}
    yield "rosenbrock", rosenbrock, 10, 0.0, 0.3, 1e-9, {}
    yield "ellipsoid-1e2", ellipsoid(1e2), 30, 1.0, 0.3, 1e-6, {}
    yield "rastrigin", rastrigin, 5, 2.5, 2.0, 1e-8, {"popsize": 100}


def main():
    for name, function, start, target, bounds in smooth():
        count = scipy_evaluations(function, start, target, bounds)
        print("scipy", name, len(start), repr(float(target)), count)
    if "--cma" in sys.argv[1:]:
        for name, function, n, start, sigma, target, options in without_gradient():
            count = cma_evaluations(function, np.full(n, start), sigma, target, options)
            print("cma", name, n, repr(target), count, flush=True)


if __name__ == "__main__":
    main()
