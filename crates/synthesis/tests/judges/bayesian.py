"""Regret of Bayesian optimisation by scikit-optimize on the functions of optimisers_functions.rs.

    python bayesian.py SEEDS        needs scikit-optimize (0.10.2 made the numbers in optimisers_judge.rs)

Prints lines: function, evaluations, median over seeds of the regret after them. A Gaussian process (Matern 5/2, a length for
each dimension, parameters by the evidence), expected improvement, the first 2 (dimensions + 1) points drawn, as ours.
"""

import sys

import numpy as np
from skopt import gp_minimize

A = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
P = np.array([
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
])


def branin(x):
    bend = x[1] - 5.1 / (4 * np.pi**2) * x[0] ** 2 + 5 / np.pi * x[0] - 6
    return bend**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x[0]) + 10


def hartmann(x):
    return -np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-np.sum(A * (np.asarray(x) - P) ** 2, axis=1))


CASES = [
    ("branin", branin, [(-5.0, 10.0), (0.0, 15.0)], 0.397887357729738, (15, 25)),
    ("hartmann", hartmann, [(0.0, 1.0)] * 6, -3.32236801141551, (40, 60)),
]


def main():
    for name, function, box, least, after in CASES:
        regrets = []
        for seed in range(int(sys.argv[1])):
            found = gp_minimize(
                function, box, n_calls=after[-1], n_initial_points=2 * (len(box) + 1), acq_func="EI", random_state=seed
            )
            best = np.minimum.accumulate(found.func_vals) - least
            regrets.append([best[count - 1] for count in after])
        for count, regret in zip(after, np.median(regrets, axis=0)):
            print(name, count, f"{regret:.3e}", flush=True)


if __name__ == "__main__":
    main()
