"""Judge of crates/encoding's readout and scores: the same numbers by other ways, with numpy and scipy alone.

usage: scores.py IN.npz OUT.npz

Takes matrices and gives every number under the name that tests/score_judge.rs expects. Where there is a choice, the way
differs from the Rust one: loops over definitions, augmented least squares, explicit inverses and refits.
"""

import sys
from itertools import combinations

import numpy as np
from scipy import linalg, stats
from scipy.spatial import distance


def centred(x):
    return x - x.mean(0)


def tau_a(a, b):
    signs = [np.sign(v[:, None] - v[None, :]) for v in (a, b)]
    return (signs[0] * signs[1]).sum() / (len(a) * (len(a) - 1))


COMPARE = {
    "pearson": lambda a, b: stats.pearsonr(a, b).statistic,
    "spearman": lambda a, b: stats.spearmanr(a, b).statistic,
    "tau": tau_a,
}


def rdm_bounds(rdms, name):
    if name == "pearson":
        comparable = [stats.zscore(r) for r in rdms]
    else:
        comparable = [stats.rankdata(r) for r in rdms]
    compare = COMPARE[name]
    upper = [compare(r, np.mean(comparable, axis=0)) for r in rdms]
    lower = [
        compare(r, np.mean([c for k, c in enumerate(comparable) if k != i], axis=0)) for i, r in enumerate(rdms)
    ]
    return [np.mean(lower), np.mean(upper)]


def cka_biased(k, l):
    n = len(k)
    h = np.eye(n) - np.ones((n, n)) / n
    hsic = lambda a, b: np.trace(a @ h @ b @ h)
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def hsic_1(k, l):
    """Song et al. 2012, eq. 5, as printed."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    one = np.ones(n)
    a = np.trace(k @ l)
    b = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    c = 2 / (n - 2) * (one @ k @ l @ one)
    return (a + b - c) / (n * (n - 3))


def cka_unbiased(k, l):
    return hsic_1(k, l) / np.sqrt(hsic_1(k, k) * hsic_1(l, l))


def rbf(x, fraction):
    d = distance.pdist(x)
    s = fraction * np.median(d)
    return np.exp(-(distance.squareform(d) ** 2) / (2 * s * s))


def whitened(x, alpha):
    x = centred(x)
    x = x / np.linalg.norm(x)
    if alpha < 1:
        inverse_root = linalg.pinvh(linalg.sqrtm(x.T @ x).real, rtol=1e-7)
        x = x @ (alpha * np.eye(x.shape[1]) + (1 - alpha) * inverse_root)
    return x / np.linalg.norm(x)


def procrustes(x, y, alpha):
    x, y = whitened(x, alpha), whitened(y, alpha)
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    rotation, _ = linalg.orthogonal_procrustes(x, y)
    # Angle of unit vectors from the length of their difference.
    return 2 * np.arcsin(np.linalg.norm(x @ rotation - y) / 2)


def ledoit_wolf(residuals, free):
    n, p = residuals.shape
    sample = sum(np.outer(r, r) for r in residuals) / n
    target = np.trace(sample) / p * np.eye(p)
    d2 = np.linalg.norm(sample - target) ** 2 / p
    b2 = min(sum(np.linalg.norm(np.outer(r, r) - sample) ** 2 for r in residuals) / p / n**2, d2)
    return (b2 / d2 * target + (1 - b2 / d2) * sample) * n / free


def crossnobis(trials, conditions, partitions, noise):
    parts, names = np.unique(partitions), range(conditions.max() + 1)
    cell = lambda c, p: (conditions == c) & (partitions == p)
    mean = {(c, p): trials[cell(c, p)].mean(0) for c in names for p in parts}
    if noise == "residuals":
        residuals = np.array([t - mean[c, p] for t, c, p in zip(trials, conditions, partitions)])
        covariance = ledoit_wolf(residuals, len(trials) - len(mean))
    else:
        covariance = np.eye(trials.shape[1])
    out = []
    for i, j in combinations(names, 2):
        products = [
            (mean[i, a] - mean[j, a]) @ np.linalg.solve(covariance, mean[i, b] - mean[j, b])
            for a in parts
            for b in parts
            if a != b
        ]
        out.append(np.mean(products) / trials.shape[1])
    return out


def moments(y, stimuli):
    groups = [y[stimuli == s] for s in np.unique(stimuli)]
    s = len(groups)
    noise = sum(((g - g.mean()) ** 2).sum() for g in groups) / (len(y) - s)
    v = np.var([g.mean() for g in groups], ddof=1)
    n = stats.hmean([len(g) for g in groups])
    return v - noise / n, noise, 1 - (s - 3) / (s - 1) * noise / n / v


def explained(predicted, y, stimuli):
    means = np.array([y[stimuli == s].mean() for s in np.unique(stimuli)])
    said = np.array([predicted[stimuli == s].mean() for s in np.unique(stimuli)])
    signal, noise, ceiling = moments(y, stimuli)
    r2 = 1 - ((means - said) ** 2).sum() / ((means - means.mean()) ** 2).sum()
    cc = np.cov(means, said)[0, 1] / np.sqrt(said.var(ddof=1) * signal) if signal > 0 else np.nan
    return np.array([r2, stats.pearsonr(means, said).statistic, signal, noise, ceiling, r2 / ceiling, cc])


def jackknife(predicted, y, stimuli):
    names = np.unique(stimuli)
    rest = [explained(predicted[stimuli != s], y[stimuli != s], stimuli[stimuli != s]) for s in names]
    return np.sqrt((len(names) - 1) * np.var(rest, axis=0))


def ridge(x, y, prior, lam, weight, standard):
    """Coordinates and intercept from augmented least squares; returns raw weights and a function of new features."""
    mean, scale = x.mean(0), 1 / x.std(0) if standard else np.ones(x.shape[1])
    z = (x - mean) * scale
    h0 = weight * prior / scale
    p = z.shape[1]
    h = np.linalg.lstsq(
        np.vstack([z, np.sqrt(lam) * np.eye(p)]), np.concatenate([y - y.mean(), np.sqrt(lam) * h0]), rcond=None
    )[0]
    raw = h * scale
    return raw, y.mean() - mean @ raw, z, scale, h0


def readout(x, y, prior, lam, weight):
    n, out = len(x), {}
    for standard in (True, False):
        raw, intercept, z, scale, h0 = ridge(x, y, prior, lam, weight, standard)
        surprise = y - y.mean() - z @ h0
        marginal = np.eye(n) + z @ z.T / lam
        noise = surprise @ np.linalg.solve(marginal, surprise) / (n - 1)
        inverse = np.linalg.inv(z.T @ z + lam * np.eye(z.shape[1]))
        covariance = noise * inverse * np.outer(scale, scale)
        at = (x[:5] * 1.1 - x.mean(0)) @ covariance
        sd = np.sqrt(noise * (1 + 1 / n) + (at * (x[:5] * 1.1 - x.mean(0))).sum(1))
        name = "standard" if standard else "centred"
        out[f"weights_{name}"], out[f"intercept_{name}"] = raw, [intercept]
        out[f"covariance_{name}"], out[f"predictive_{name}"] = covariance, sd
        out[f"df_{name}"] = [np.trace(z @ inverse @ z.T)]
        out[f"noise_{name}"] = [noise]
    left_out = []
    for row in range(n):
        keep = np.arange(n) != row
        raw, intercept, *_ = ridge(x[keep], y[keep], prior, lam, weight, False)
        left_out.append(y[row] - intercept - x[row] @ raw)
    out["left_out"] = left_out
    return out


def main():
    given = np.load(sys.argv[1])
    x, y = given["x"], given["y"]
    out = {}
    rdms = {}
    for name, data in (("x", x), ("y", y)):
        for metric in ("correlation", "euclidean", "sqeuclidean"):
            out[f"rdm_{metric}_{name}"] = distance.pdist(data, metric)
        rdms[name] = out[f"rdm_correlation_{name}"]
    for name, compare in COMPARE.items():
        out[f"compare_{name}"] = [compare(rdms["x"], rdms["y"])]
        # Rounded values are full of ties.
        out[f"compare_ties_{name}"] = [compare(np.round(rdms["x"] * 8), np.round(rdms["y"] * 8))]
        people = [rdms["x"] + k * rdms["y"] for k in (0, 0.5, 1, 2)]
        out[f"bounds_{name}"] = rdm_bounds(people, name)
    out["cka_linear_biased"] = [
        np.linalg.norm(centred(y).T @ centred(x)) ** 2
        / (np.linalg.norm(centred(x).T @ centred(x)) * np.linalg.norm(centred(y).T @ centred(y)))
    ]
    out["cka_linear_unbiased"] = [cka_unbiased(x @ x.T, y @ y.T)]
    out["cka_rbf_biased"] = [cka_biased(rbf(x, 0.7), rbf(y, 0.7))]
    out["cka_rbf_unbiased"] = [cka_unbiased(rbf(x, 0.7), rbf(y, 0.7))]
    for alpha in (1.0, 0.5, 0.1):
        out[f"procrustes_{alpha}"] = [procrustes(x, y, alpha)]
    few_x, few_y = x[:, :3], y[:, :2]
    out["procrustes_0"] = [procrustes(few_x, few_y, 0.0)]
    out["canonical"] = [canonical_angle(few_x, few_y)]
    conditions, partitions, stimuli = (given[k].astype(int) for k in ("conditions", "partitions", "stimuli"))
    for noise in ("white", "residuals"):
        out[f"crossnobis_{noise}"] = crossnobis(x[:, :6], conditions, partitions, noise)
    predicted, observed = given["predicted"], given["observed"]
    out["r2"] = [1 - ((o - p) ** 2).sum() / ((o - o.mean()) ** 2).sum() for p, o in zip(predicted.T, observed.T)]
    out["pearson"] = [stats.pearsonr(p, o).statistic for p, o in zip(predicted.T, observed.T)]
    out["explained"] = [explained(p, o, stimuli) for p, o in zip(predicted.T, observed.T)]
    out["jackknife"] = [jackknife(p, o, stimuli) for p, o in zip(predicted.T, observed.T)]
    out |= readout(x, y[:, 0], given["prior"], float(given["penalty"][0]), float(given["penalty"][1]))
    np.savez(sys.argv[2], **{k: np.atleast_2d(np.asarray(v, dtype=np.float64)) for k, v in out.items()})


def canonical_angle(x, y):
    """Fully whitened: arccos of the sum of canonical correlations over the root of the product of ranks."""
    q, r = linalg.qr(centred(x), mode="economic")[0], linalg.qr(centred(y), mode="economic")[0]
    correlations = np.cos(linalg.subspace_angles(q, r))
    return np.arccos(correlations.sum() / np.sqrt(q.shape[1] * r.shape[1]))


if __name__ == "__main__":
    main()
