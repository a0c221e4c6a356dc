"""The stimuli of the CPU twin against stimupy and NumPy.

    stimuli.py FOLDER

FOLDER holds `NAME@FRAME.npy`, linear light as `photic render --twin` writes it, for the stimuli of stimuli.toml on the screen of
stimuli-rig.toml, which lie beside this script and are read here anew.

Where the conventions differ:

- stimupy measures in (height, width) and its origin "center" lies on a pixel; ours lies between the middle four. A picture drawn
  2 n times as fine has our n x n sample points of each pixel at its odd pixels.
- stimupy's waves are sines of the distance, ours cosines: its phase is ours + 90 deg. Both turn anticlockwise,
  but stimupy's ellipse, alone of its shapes, turns clockwise.
- stimupy stretches every wave to the stated extremes. Frequencies are such that both are met to 1e-4.
- stimupy's edges are hard, ours cover a pixel in part. A pixel half a pixel or more away from any edge must agree to
  1e-3, the others to EDGE (ours is a ramp across the nearest edge, exact along rows and columns and 0.043 off on diagonals, and 4
  samples a side see an edge to 1/8 of a pixel), and the area of a shape to 0.5 %. The ends of our long ellipses are softer than
  their sides.
"""

import sys
import tomllib
from math import atan2, cos, pi, radians, sin, tan
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter
from stimupy import noises
from stimupy.components import angulars, gaussians, mask_regions, radials, shapes, waves
from stimupy.stimuli import checkerboards

SMOOTH = 1e-3
EDGE = 0.13
SAMPLES = 4

HERE = Path(__file__).parent
RIG = tomllib.loads((HERE / "stimuli-rig.toml").read_text())["screen"]
WIDTH, HEIGHT, REFRESH_HZ = RIG["width_px"], RIG["height_px"], RIG["refresh_hz"]
DISTANCE_PX = RIG["distance_cm"] * WIDTH / RIG["width_cm"]
PX_PER_DEG = 2 * DISTANCE_PX * tan(radians(0.5))


def size_px(deg):
    return 2 * DISTANCE_PX * tan(radians(deg) / 2)


def fine(n):
    """How stimupy is told to draw n x n samples of each pixel; its degree is our px."""
    return {"visual_size": (HEIGHT, WIDTH), "ppd": 2 * n}


def ours(image):
    """The samples that lie where ours do."""
    return image[1::2, 1::2]


def blocks(samples):
    """Mean of each pixel's samples, and whether no edge crosses it or passes within half a pixel of it."""
    n = len(samples) // HEIGHT

    def split(values):
        return values.reshape(HEIGHT, n, WIDTH, n)

    low, high = split(minimum_filter(samples, n + 1)).min((1, 3)), split(maximum_filter(samples, n + 1)).max((1, 3))
    return split(samples).mean((1, 3)), high - low < 1e-9


def pixels():
    """To the right of and above fixation."""
    return np.meshgrid(np.arange(WIDTH) + 0.5 - WIDTH / 2, HEIGHT / 2 - 0.5 - np.arange(HEIGHT))


def raised_cosine(what):
    """The window of a wave: 1 inside, 0 from its radius on, an edge of half a cosine inside of it."""
    x, y = pixels()
    inside = size_px(what["diameter_deg"]) / 2 - np.hypot(x, y)
    return 0.5 - 0.5 * np.cos(pi * np.clip(inside / size_px(what["edge_deg"]), 0, 1))


def cycles(what, frame):
    """What has drifted until a frame: a wave runs along its direction, so its phase goes back."""
    return -what.get("drift_hz", 0.0) * frame / REFRESH_HZ


def wave(what, frame, n, orientation=None, metric="oblique"):
    """A wave of stimupy's, -1..1."""
    phase = what["phase_deg"] + 90 + 360 * cycles(what, frame)
    draw = waves.square if what.get("carrier") == "square" else waves.sine
    image = draw(
        **fine(n),
        frequency=what["sf_cpd"] / PX_PER_DEG,
        rotation=what["orientation_deg"] if orientation is None else orientation,
        phase_shift=phase,
        intensities=(-1, 1),
        origin="center",
        distance_metric=metric,
    )["img"]
    return ours(image)


def around(count, phase_deg, n, square, turned_deg=0.0):
    """A wave around the centre. stimupy stretches the angles of its pixels, which end before the circle is closed, over all of
    it; the frequency takes that back."""
    last = 2 * pi - atan2(1, WIDTH * n)
    draw = waves.square if square else waves.sine
    image = draw(
        **fine(n),
        frequency=count * last / (2 * pi),
        phase_shift=phase_deg - count * turned_deg,
        intensities=(-1, 1),
        origin="center",
        distance_metric="angular",
    )["img"]
    return ours(image)


# ------------------------------------------------------------------------------------------------------- comparisons


def smooth(found, expected):
    error = np.abs(found - (0.5 + 0.5 * expected)).max()
    assert error <= SMOOTH, error
    return f"largest difference {error:.1e}"


def edged(found, samples, window=1.0, where=True, sums=False):
    expected, plain = blocks(samples)
    error = np.abs(found - (0.5 + 0.5 * expected * window)) * where
    assert plain.mean() > 0.2 and (~plain).any()
    assert error[plain].max() <= SMOOTH, f"{error[plain].max():.2e} off edges, {(error[plain] > SMOOTH).sum()} px"
    assert error.max() <= EDGE, f"{error.max():.3f} on edges, {(error > EDGE).sum()} px"
    said = f"largest difference {error[plain].max():.1e} off edges, {error.max():.3f} on them"
    if sums:
        part = (2 * found - 1).sum() / expected.sum() - 1
        assert abs(part) < 0.005, part
        said += f", area {100 * part:+.2f} %"
    return said


# ------------------------------------------------------------------------------------------------------------- kinds


def grating(found, what, frame):
    if what.get("carrier") == "square":
        return edged(found, wave(what, frame, SAMPLES), raised_cosine(what))
    return smooth(found, wave(what, frame, 1) * raised_cosine(what))


def gabor(found, what, frame):
    sigma = size_px(what["sigma_deg"])
    window = ours(gaussians.gaussian(**fine(1), sigma=sigma, origin="center")["img"])
    # Ours is drawn to four standard deviations along each axis.
    x, y = pixels()
    window = np.where((abs(x) <= 4 * sigma) & (abs(y) <= 4 * sigma), window, 0)
    expected = wave(what, frame, 1) * window
    right, up = (round(DISTANCE_PX * tan(radians(deg))) for deg in what.get("position_deg", (0, 0)))
    return smooth(found, np.roll(expected, (-up, right), (0, 1)))


def plaid(found, what, frame):
    both = [wave(what, frame, 1, orientation) for orientation in what["orientations_deg"]]
    return smooth(found, 0.5 * (both[0] + both[1]) * raised_cosine(what))


def far_from_centre(px):
    x, y = pixels()
    return np.hypot(x, y) > px


def spokes(found, what, frame):
    count, square = what["spokes"], what.get("carrier") == "square"
    turned = 360 * what.get("rotation_hz", 0.0) * frame / REFRESH_HZ
    n = SAMPLES if square else 1
    image = around(count, what["phase_deg"] + 90, n, square, turned)
    # Where a pixel covers more than half of a cycle, ours fades to grey.
    where = far_from_centre(2 * count / pi)
    if square:
        return edged(found, image, raised_cosine(what), where)
    return smooth(np.where(where, found, 0.5), np.where(where, image * raised_cosine(what), 0))


def rings(found, what, frame):
    square = what.get("carrier") == "square"
    image = wave(what, frame, SAMPLES if square else 1, 0.0, "radial")
    if square:
        # A pixel's ramp takes a ring for straight, which it is not in the centre.
        return edged(found, image, raised_cosine(what), far_from_centre(3))
    return smooth(found, image * raised_cosine(what))


def checkerboard(found, what, frame):
    """Ours has a corner of four checks in its centre, stimupy's in its own corner: what stimupy multiplies is taken from the
    centre."""
    turned, half = what.get("orientation_deg", 0.0), 0.5 / size_px(what["check_deg"])

    def along(rotation, n):
        wanted = {"frequency": half, "rotation": rotation, "intensities": (-1, 1), "origin": "center"}
        return ours(waves.square(**fine(n), **wanted, distance_metric="oblique")["img"])

    size = [size_px(deg) for deg in reversed(what["size_deg"])]
    if turned:
        # Ours is upside down against stimupy's product: v points down.
        board = -along(turned, SAMPLES) * along(turned + 90, SAMPLES)
        room = ours(shapes.rectangle(**fine(SAMPLES), rectangle_size=size, rotation=turned)["img"])
        return edged(found, board * room)
    board = -along(0, SAMPLES) * along(90, SAMPLES)
    said = edged(found, board * shapes.rectangle(**fine(SAMPLES), rectangle_size=size)["img"][1::2, 1::2])
    # Whole checks of 8 px: stimupy's own checkerboard fills the screen as ours does, edge on edge.
    whole = round(size_px(what["check_deg"]))
    own = checkerboards.checkerboard(
        visual_size=(HEIGHT, WIDTH), ppd=1, check_visual_size=(whole, whole), intensity_checks=(-1, 1)
    )["img"]
    x, y = pixels()
    inside = (abs(x) < size[1] / 2 - 1) & (abs(y) < size[0] / 2 - 1)
    product = (2 * found - 1) * own
    assert np.ptp(np.round(product[inside])) == 0 and abs(product[inside]).min() > 0.9
    return said + ", stimupy's own board check by check"


def radial_checks(what, n):
    count = what["checks_around"]
    sign = around(count / 2, 0.0, n, True)
    if "ring_deg" in what:
        wanted = {"frequency": 0.5 * PX_PER_DEG**-1 / what["ring_deg"], "intensities": (-1, 1), "origin": "center"}
        return sign * ours(waves.square(**fine(n), **wanted, distance_metric="radial")["img"])
    # Rings that grow: edges where the logarithm of the distance has another ring behind it.
    edges = np.exp(np.arange(0, 24) / what["rings_per_fold"])
    ring = ours(mask_regions("radial", list(edges), **fine(n), origin="center")["mask"])
    return sign * np.where(ring % 2 == 1, -1, 1)


def radial_checkerboard(found, what, frame):
    radii = [size_px(what[key]) / 2 for key in ("inner_deg", "diameter_deg")]
    window = ours(radials.ring(**fine(SAMPLES), radii=radii, origin="center")["img"])
    return edged(found, radial_checks(what, SAMPLES) * window)


def wedge(found, what, frame):
    turned = what["direction_deg"] + 360 * what["rotation_hz"] * frame / REFRESH_HZ
    inner, outer = (size_px(deg) / 2 for deg in what["diameters_deg"])
    window = angulars.wedge(
        **fine(SAMPLES),
        angle=what["extent_deg"],
        rotation=turned - what["extent_deg"] / 2,
        radius=outer,
        inner_radius=inner,
        origin="center",
    )["img"]
    count = what["checks_around"]
    sign = around(count / 2, 0.0, SAMPLES, True, turned)
    wanted = {"frequency": 0.5 / PX_PER_DEG / what["ring_deg"], "intensities": (-1, 1), "origin": "center"}
    sign = sign * ours(waves.square(**fine(SAMPLES), **wanted, distance_metric="radial")["img"])
    return edged(found, sign * ours(window))


def shape(found, what, frame):
    turned = what.get("orientation_deg", 0.0)
    if "ellipse_deg" in what:
        radii = [size_px(deg) / 2 for deg in reversed(what["ellipse_deg"])]
        image = shapes.ellipse(**fine(SAMPLES), radius=radii, rotation=-turned, origin="center")["img"]
    elif "ring_deg" in what:
        radii = [size_px(deg) / 2 for deg in what["ring_deg"]]
        image = radials.ring(**fine(SAMPLES), radii=radii, origin="center")["img"]
    elif "rectangle_deg" in what:
        size = [size_px(deg) for deg in reversed(what["rectangle_deg"])]
        image = shapes.rectangle(**fine(SAMPLES), rectangle_size=size, rotation=turned)["img"]
    elif "cross_deg" in what:
        length, thick = (size_px(deg) for deg in what["cross_deg"])
        size, thickness = (length, length), (thick, thick)
        image = shapes.cross(
            **fine(SAMPLES), cross_size=size, cross_thickness=thickness, rotation=turned
        )["img"]
    else:
        return polygon(found, what["polygon"], turned)
    return edged(found, ours(image), sums=True)


def polygon(found, what, turned):
    """stimupy has no regular polygon: samples that lie on the inner side of each edge."""
    n, corners, radius = 2 * SAMPLES, what["corners"], size_px(what["diameter_deg"]) / 2
    x = (np.arange(WIDTH * n) + 0.5) / n - WIDTH / 2
    y = HEIGHT / 2 - (np.arange(HEIGHT * n) + 0.5) / n
    x, y = np.meshgrid(x, y)
    inside = np.ones_like(x, dtype=bool)
    for corner in range(corners):
        normal = radians(turned) + 2 * pi * (corner + 0.5) / corners
        inside &= x * cos(normal) + y * sin(normal) <= radius * cos(pi / corners)
    return edged(found, inside.astype(float), sums=True)


# ------------------------------------------------------------------------------------------------------------- noise


def correlations(values):
    """With neighbours to the right, below and across."""
    v = values - values.mean()
    pairs = [(v[:, 1:], v[:, :-1]), (v[1:], v[:-1]), (v[1:, 1:], v[:-1, :-1])]
    return [float((a * b).mean() / v.var()) for a, b in pairs]


def noise(found, what, frame):
    side = [round(size_px(deg)) for deg in reversed(what["size_deg"])]
    top, left = (HEIGHT - side[0] + 1) // 2, (WIDTH - side[1] + 1) // 2
    values = 2 * found[top : top + side[0], left : left + side[1]] - 1
    count = values.size
    if what.get("draw") == "binary":
        variance, levels = 1.0, 2
        ones = np.unique(np.round(values, 6))
        assert list(ones) == [-1, 1], ones
        # stimupy's own binary noise has the same two levels.
        other = noises.binaries.binary(visual_size=16, ppd=8, intensity_range=(-1, 1), rng=np.random.default_rng(1))["img"]
        assert list(np.unique(other)) == [-1, 1]
    elif what.get("draw") == "uniform":
        variance, levels = 1 / 3, 32
        filled = np.histogram(values, levels, (-1, 1))[0]
        assert ((filled - count / levels) ** 2 / (count / levels)).sum() < 70, filled
    elif "gaussian_sd" in what:
        variance, levels = what["gaussian_sd"] ** 2, 3
        kurtosis = ((values - values.mean()) ** 4).mean() / values.var() ** 2
        assert abs(kurtosis - 3) < 0.15, kurtosis
    else:
        variance, levels = what["sparse_density"], 3
        assert list(np.unique(np.round(values, 6))) == [-1, 0, 1]
    four_se = 4 / count**0.5
    assert abs(values.mean()) < four_se * variance**0.5, values.mean()
    assert abs(values.var() / variance - 1) < 0.04, values.var()
    related = correlations(values)
    assert max(map(abs, related)) < four_se, related
    # White: each ring of frequencies has the same power.
    power = spectrum(values)
    means = [power[ring].mean() / power.mean() for ring in rings_of(values.shape, np.linspace(0.02, 0.5, 9))]
    assert max(abs(mean - 1) for mean in means) < 0.15, means
    return f"variance {values.var():.4f} of {variance:.4f}, correlations below {four_se:.3f}, power even within 15 %"


def frequencies(shape):
    return np.hypot(*np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), indexing="ij"))


def spectrum(values):
    return np.abs(np.fft.fft2(values - values.mean())) ** 2 / values.size


def rings_of(shape, edges):
    far = frequencies(shape)
    return [(far > low) & (far <= high) for low, high in zip(edges[:-1], edges[1:])]


def slope(values):
    """Of the logarithm of the amplitude over that of the spatial frequency."""
    edges = np.geomspace(4 / 128, 0.5, 12)
    found = rings_of(values.shape, edges)
    amplitude = [0.5 * np.log(spectrum(values)[ring].mean()) for ring in found]
    middle = [np.log(frequencies(values.shape)[ring]).mean() for ring in found]
    return np.polyfit(middle, amplitude, 1)[0]


def filtered_noise(found, what, frame):
    side = round(size_px(what["size_deg"]))
    assert side == 128, side
    top, left = (HEIGHT - side) // 2, (WIDTH - side) // 2
    values = 2 * found[top : top + side, left : left + side] - 1
    assert np.allclose(np.delete(found, range(top, top + side), 0), 0.5)
    rms = values.std()
    assert abs(values.mean()) < 1e-3 and abs(rms / what["contrast_rms"] - 1) < 0.01, (values.mean(), rms)
    if "band_cpd" in what:
        low, high = (cpd / PX_PER_DEG for cpd in what["band_cpd"])
        far, power = frequencies(values.shape), spectrum(values)
        inside = power[(far >= low - 1e-9) & (far <= high + 1e-9)]
        # All of the power but what the cut at -1 and 1 makes, and spread evenly: lower half against upper half.
        part = inside.sum() / power.sum()
        middle = (low + high) / 2
        halves = [power[(far >= low) & (far < middle)].mean(), power[(far >= middle) & (far <= high)].mean()]
        assert part > 0.995, part
        assert abs(halves[0] / halves[1] - 1) < 0.25, halves
        return f"{100 * part:.2f} % of the power in the band, its halves {halves[0] / halves[1]:.2f} to 1"
    said = slope(values)
    other = noises.naturals.one_over_f(
        visual_size=128, ppd=1, exponent=what["exponent"], pseudo_noise=True, rng=np.random.default_rng(2)
    )["img"]
    assert abs(said + what["exponent"]) < 0.08, said
    return f"slope {said:.3f}, stimupy's own noise {slope(other):.3f}, wanted {-what['exponent']}"


def main(folder):
    stimuli = tomllib.loads((HERE / "stimuli.toml").read_text())["stimulus"]
    failed = []
    for name, kind in stimuli.items():
        (what, numbers), = kind.items()
        files = sorted(Path(folder).glob(f"{name}@*.npy"))
        assert files, f"{name} was not rendered"
        for file in files:
            light = np.load(file).astype(float)
            assert light.shape == (HEIGHT, WIDTH, 3), light.shape
            assert (light == light[..., :1]).all(), "not achromatic"
            frame = int(file.stem.split("@")[1])
            try:
                said = globals()[what](light[..., 1], numbers, frame)
            except AssertionError as error:
                failed.append(file.stem)
                said = f"DIFFERS: {error}"
            print(f"{file.stem}: {said}")
    if failed:
        sys.exit(f"{len(failed)} differ: {', '.join(failed)}")
    print(f"{len(stimuli)} stimuli agree")


if __name__ == "__main__":
    main(sys.argv[1])
