"""Judge: colour-science, numpy and scipy compute what `stimulus::{colour, transfer, light}` found.

Usage: light_colour.py FOLDER

FOLDER holds `spectra.csv`, `lut.csv` and `claims.txt` as crates/stimulus/tests/light_judge.rs writes them; each line of
the latter is a kind and its numbers. Colours of spectra are integrated anew with the package's tables at 1 nm; colours
from chromaticities are compared with the Smith and Pokorny fundamentals themselves. Prints the largest difference of each
kind; exits 1 when one is too large.
"""

import logging
import os
import sys
import warnings
from collections import defaultdict

import numpy as np
from scipy.interpolate import PchipInterpolator

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
import colour  # noqa: E402


def read(path):
    claims = defaultdict(list)
    with open(path, encoding="ascii") as lines:
        for line in lines:
            kind, *numbers = line.split()
            claims[kind].append([float(n) for n in numbers])
    return {kind: np.array(rows) for kind, rows in claims.items()}


def sensitivities(name, nm):
    """Rows of an observer at these wavelengths; zero where it is not defined."""
    table = colour.MSDS_CMFS[name]
    return np.array([np.interp(nm, table.wavelengths, column, 0, 0) for column in table.values.T]).T


class Display:
    """Three spectra scaled to a white, a black of white's spectrum."""

    def __init__(self, path, white, black):
        nm, *radiance = np.loadtxt(path, delimiter=",", skiprows=1).T
        self.nm = np.arange(380, 781)
        fine = np.array([np.interp(self.nm, nm, column) for column in radiance])
        y = sensitivities("CIE 1931 2 Degree Standard Observer", self.nm)[:, 1]
        self.spectra = fine * (white - black) / (fine @ y).sum()
        self.black = black / (white - black)

    def seen(self, name, rgb):
        light = (np.asarray(rgb) + self.black) @ self.spectra
        return light @ sensitivities(name, self.nm)

    def contrast(self, name, rgb):
        grey = self.seen(name, np.full((1, 3), 0.5))
        return self.seen(name, rgb) / grey - 1.0


def largest(a, b):
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


def colours(display, claims):
    rgb, xy_y = claims["xy"][:, :3], claims["xy"][:, 3:]
    xyz = display.seen("CIE 1931 2 Degree Standard Observer", rgb)
    ours = colour.xyY_to_XYZ(xy_y[:, [0, 1, 2]])
    yield "XYZ of spectra, of white", largest(ours, xyz) / xyz.max(), 1e-4
    each = display.seen("CIE 1931 2 Degree Standard Observer", np.eye(3) - display.black)[:, 1]
    yield "luminance weights", largest(claims["weights"], each / each.sum()), 1e-4

    cones = "Stockman & Sharpe 2 Degree Cone Fundamentals"
    rgb, contrast = claims["contrast"][:, :3], claims["contrast"][:, 3:]
    yield "cone contrast", largest(contrast, display.contrast(cones, rgb)), 1e-4
    # The luminance axis by the package's own table of V_F.
    grey = display.seen("CIE 2015 2 Degree Standard Observer", np.full((1, 3), 0.5))[:, 1]
    luminance = display.seen("CIE 2015 2 Degree Standard Observer", rgb)[:, 1] / grey - 1.0
    true = display.contrast(cones, rgb)
    dkl = np.stack([luminance, true[:, 0] - true[:, 1], true[:, 2] - luminance], 1)
    yield "DKL", largest(claims["dkl"], dkl), 3e-4


def chromaticities(display, claims):
    """Colours computed from chromaticities alone, against the fundamentals themselves."""
    cones = "Smith & Pokorny 1975 Normal Trichromats"
    # Red and green have no light where 1931 is wrong: the transform is as good as the table, which has two digits in places.
    rgb, contrast = claims["sp_red_green"][:, :3], claims["sp_red_green"][:, 3:]
    one = display.seen(cones, [[1, 0, 0]] - display.black) / display.seen(cones, [[0, 1, 0]] - display.black)
    yield "L, M of red over green, relative", largest(contrast[0, :2] / contrast[1, :2] / one[0, :2], 1), 1e-2
    rgb, contrast = claims["sp_contrast"][:, :3], claims["sp_contrast"][:, 3:]
    yield "cone contrast from chromaticities", largest(contrast, display.contrast(cones, rgb)), 0.01
    isolating = display.contrast(cones, claims["sp_isolating"])
    yield "L and M in an S-cone-isolating 0.5", largest(isolating[:, :2], 0), 0.005
    yield "S in an S-cone-isolating 0.5", largest(isolating[:, 2], 0.5), 0.005


def table(path, claims):
    codes, *columns = np.loadtxt(path, delimiter=",", skiprows=1).T
    worst = 0.0
    for channel, column in enumerate(columns):
        rows = claims["light"][claims["light"][:, 0] == channel]
        root = ((column - column[0]) / (column[-1] - column[0])) ** (1 / 2.2)
        light = np.clip(PchipInterpolator(codes / codes[-1], root)(rows[:, 1]), 0, 1) ** 2.2
        worst = max(worst, largest(light, rows[:, 2]))
    yield "measured table between its levels", worst, 1e-12


def mixed(x, y, z, w):
    """pcg4d, Jarzynski and Olano 2020, in Python's own integers."""
    mask = 0xFFFFFFFF
    x, y, z, w = ((int(v) * 1664525 + 1013904223) & mask for v in (x, y, z, w))
    for last in (False, True):
        x = (x + y * w) & mask
        y = (y + z * x) & mask
        z = (z + x * y) & mask
        w = (w + y * z) & mask
        if not last:
            x, y, z, w = (v ^ (v >> 16) for v in (x, y, z, w))
    return x


def encoder(claims):
    wrong = sum(mixed(*row[:4]) >> 16 != row[4] for row in claims["noise"])
    yield "noise that differs", wrong, 0
    wrong, unsure = 0, 0
    for gamma, bits, linear, noise, code in claims["code"]:
        light = (np.arange(2 ** int(bits)) / (2 ** int(bits) - 1)) ** gamma
        above = int(np.searchsorted(light, linear))
        drive = above - 1 + (linear - light[above - 1]) / (light[above] - light[above - 1]) if above else 0.0
        # Ours is interpolated: within this part of a step of the edge, either code is right.
        margin = 0.004
        expected = {np.floor(drive + noise / 65536 + off) for off in (-margin, 0.0, margin)}
        unsure += len(expected) > 1
        wrong += code not in expected
    yield f"codes of {len(claims['code'])} that differ", wrong, 0
    yield "part of the codes that lie on an edge", unsure / len(claims["code"]), 0.02


def main():
    folder = sys.argv[1]
    claims = read(os.path.join(folder, "claims.txt"))
    display = Display(os.path.join(folder, "spectra.csv"), *claims["screen"][0])
    verdicts = [
        *colours(display, claims),
        *chromaticities(display, claims),
        *table(os.path.join(folder, "lut.csv"), claims),
        *encoder(claims),
    ]
    for what, difference, bound in verdicts:
        print(f"{what}: {difference:.2e} (bound {bound:.0e})")
    sys.exit(any(not difference <= bound for _, difference, bound in verdicts))


if __name__ == "__main__":
    main()
