"""Judge: numpy and scipy compute what the controllers of `closedloop` found.

Usage: controllers.py FILE

FILE is JSON as tests/controllers.rs writes it: linear-quadratic gains (against solve_discrete_are), the steady state of
the gain filter (against the Riccati equation of the whole state), stability margins of PID loops (against the roots of
the characteristic polynomial), and a run of QUEST+ (against the definition: expected entropy over both answers). Prints
the largest difference of each; exits 1 when one is too large.
"""

import json
import sys

import numpy as np
from scipy.linalg import solve_discrete_are


def linear_quadratic(cases):
    """State [distance, fading], move m: cost (d + m - phi)^2 + rho m^2, d' = d + m, phi' = keep phi."""
    worst = 0.0
    for case in cases:
        rho, keep = case["rho"], case["keep"]
        a, b = np.diag([1.0, keep]), np.array([[1.0], [0.0]])
        q, cross = np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([[1.0], [-1.0]])
        r = np.array([[1.0 + rho]])
        p = solve_discrete_are(a, b, q, r, s=cross)
        gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a + cross.T)[0]
        worst = max(worst, abs(gain[0] - case["distance"]), abs(-gain[1] - case["fading"]))
    return worst


def gain_filter(case):
    """Posterior covariance of drift and fluctuation in the steady state, at a constant drive."""
    n, keep, drive = case["segments"], case["keep"], case["drive_uv"]
    a = np.zeros((n + 2, n + 2))
    a[0, 0], a[1, 1] = 1.0, keep
    a[2, 0], a[2, 1] = drive, drive * keep
    for i in range(3, n + 2):
        a[i, i - 1] = 1.0
    kicks = np.zeros((n + 2, 3))
    kicks[0, 0] = kicks[1, 1] = kicks[2, 2] = 1.0
    kicks[2, :2] = drive
    noise = n * case["spread_uv"] ** 2
    q = kicks @ np.diag([case["drift_variance"], case["kick_variance"], noise]) @ kicks.T
    h = np.zeros((1, n + 2))
    h[0, 2:] = 1.0 / n
    r = np.array([[0.01 * case["spread_uv"] ** 2]])
    prior = solve_discrete_are(a.T, h.T, q, r)
    k = prior @ h.T / (h @ prior @ h.T + r)
    posterior = prior - k @ h @ prior
    expected = np.array([posterior[0, 0], posterior[1, 1], posterior[0, 1]])
    return float(np.abs(np.array(case["variances"]) / expected - 1.0).max())


def is_stable(case, factor):
    """All roots of the characteristic polynomial in q, the delay by one step, lie outside the unit circle."""
    step, tau = case["step_s"], case["derivative_tau_s"]
    span = tau + step
    integrates = np.array([1.0, -1.0]) if case["ki_per_s"] > 0 else np.array([1.0])
    filters = np.array([1.0, -tau / span]) if case["kd_s"] > 0 else np.array([1.0])
    whole = np.convolve(integrates, filters)
    terms = [case["kp"] * whole]
    if case["ki_per_s"] > 0:
        terms.append(case["ki_per_s"] * step * filters)
    if case["kd_s"] > 0:
        terms.append(case["kd_s"] / span * np.convolve([1.0, -1.0], integrates))
    controller = np.zeros(max(map(len, terms)))
    for term in terms:
        controller[: len(term)] += term
    plant = np.concatenate([[0.0], case["weights"]])
    if case["smith"]:
        plant = (factor - 1.0) * plant
        plant[1] += 1.0
    else:
        plant = factor * plant
    through = np.convolve(controller, plant)
    closed = np.zeros(max(len(through), len(whole)))
    closed[: len(through)] += through
    closed[: len(whole)] += whole
    roots = np.roots(np.trim_zeros(closed, "b")[::-1])
    return bool(np.abs(roots).min() > 1.0)


def margin(cases):
    """The first factor of gain at which the loop is unstable."""
    worst = 0.0
    for case in cases:
        low = 1.0
        while is_stable(case, low * 1.01):
            low *= 1.01
        high = low * 1.01
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if is_stable(case, middle) else (low, middle)
        worst = max(worst, abs(case["gain"] / low - 1.0))
    return worst


def quest_plus(case):
    """Each proposal is a level of least expected entropy, and the posterior is the product of the likelihoods."""
    levels = np.array(case["levels"])
    grid = np.array([[t, s, l] for t in case["thresholds"] for s in case["slopes"] for l in case["lapses"]])
    x = grid[:, 1] * (levels[:, None] - grid[:, 0])
    shape = 1.0 - np.exp(-(10.0**x)) if case["form"] == "weibull" else 1.0 / (1.0 + np.exp(-x))
    right = case["guess"] + (1.0 - case["guess"] - grid[:, 2]) * shape

    def entropy(weights):
        positive = weights[weights > 0]
        return -(positive * np.log(positive)).sum()

    weights = np.full(len(grid), 1.0 / len(grid))
    worst = 0.0
    for index, correct in zip(case["proposed"], case["correct"]):
        expected = []
        for p in right:
            total = 0.0
            for likelihood in (p, 1.0 - p):
                joint = weights * likelihood
                if joint.sum() > 0:
                    total += joint.sum() * entropy(joint / joint.sum())
            expected.append(total)
        # Levels may tie to rounding.
        worst = max(worst, expected[index] - min(expected))
        weights = weights * (right[index] if correct else 1.0 - right[index])
        weights /= weights.sum()
    return max(worst, float(np.abs(weights - np.array(case["weights"])).max()))


def main(file):
    with open(file) as opened:
        found = json.load(opened)
    results = {
        "linear-quadratic gains": (linear_quadratic(found["lq"]), 1e-7),
        "gain filter": (gain_filter(found["filter"]), 1e-5),
        "margins": (margin(found["margins"]), 1e-3),
        "QUEST+ weibull": (quest_plus(found["quest"][0]), 1e-10),
        "QUEST+ logistic": (quest_plus(found["quest"][1]), 1e-10),
    }
    for name, (worst, bound) in results.items():
        print(f"{name}: {worst:.2e}, allowed {bound:.0e}")
    return 0 if all(worst <= bound for worst, bound in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
