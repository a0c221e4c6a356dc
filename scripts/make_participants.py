#!/usr/bin/env python3
"""Makes crates/participant/people.toml: sixty simulated people and one typical one.

    make_participants.py DATA_FOLDER [--seed N] [--check]

DATA_FOLDER holds the two real SSVEP recordings that set the signal-to-noise ratio, `ssvep_exo_s12_r1.xdf` (an easy
person) and `ssvep_exo_s02_r1_hard.xdf` (a hard one). `--check` compares with the committed file instead of writing it.

The measure, the same for the recordings and for the simulated people: 1 s windows without overlap, their linear trend
taken out, no taper. |FFT| at the stimulated frequency, averaged over windows, over the mean |FFT| at the four
neighbours (+-1 and +-2 Hz), averaged over the same windows. Best single channel.
  - recordings: four windows per trial from cue + 1 s, at the cued frequency (13, 17, 21 Hz); for a person, the mean of
    the three frequencies in the channel in which that mean is largest;
  - simulated: 15 Hz, the response to a counterphase grating of contrast 0.9 at 7.5 Hz.

What comes from the recordings: the span of the measure (log-uniform from 1.1, the hard person, to 3.4, the easy one's
best frequency), and the size of the fast fluctuation (the variation of the easy one's amplitude over 4 s trials, less
what noise and the slow drift add). What is assumed, with the reason, stands beside each number below. The strength of
the background is then solved for each person so that the measure takes its place in the span. Nothing here was
fitted to a controller's results.
"""

import argparse
import pathlib
import sys

import numpy as np
import pyxdf
from scipy.signal import detrend, lfilter

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates" / "participant" / "people.toml"
RECORDINGS = {"easy": "ssvep_exo_s12_r1.xdf", "hard": "ssvep_exo_s02_r1_hard.xdf"}
CUED_HZ = (13, 17, 21)
NEIGHBOURS_HZ = (-2, -1, 1, 2)
SPAN = (1.1, 3.4)
CONTRAST = 0.9
RESPONSE_HZ = 15
PEOPLE = 60

# The simulated EEG, as in crates/participant/src/background.rs.
RATE_HZ = 250
CORNERS_HZ = np.array([0.15, 0.45, 1.35, 4.05, 12.15, 36.45])
ALPHA_AT_OZ = 0.9
WINDOWS = 6000  # seconds of simulated EEG behind each person's number: standard error about 1 %


# The measure.


def bins(windows):
    """|FFT| of 1 s windows (windows x samples), linear trend taken out; bin k is k Hz."""
    return np.abs(np.fft.rfft(detrend(windows, axis=-1), axis=-1))


def over_neighbours(spectra, hz):
    """Mean amplitude at `hz` over the mean amplitude of the neighbours."""
    at = spectra[..., hz].mean(0)
    beside = np.mean([spectra[..., hz + d].mean(0) for d in NEIGHBOURS_HZ], axis=0)
    return at / beside


# The recordings.


def read(path):
    """EEG (samples x channels), its rate, and the sample of each cue with the cue's frequency."""
    streams, _ = pyxdf.load_xdf(str(path))
    eeg = next(s for s in streams if s["info"]["type"][0] == "EEG")
    cues = next(s for s in streams if s["info"]["type"][0] == "Markers")
    x = np.asarray(eeg["time_series"], float)
    rate = round(float(eeg["info"]["nominal_srate"][0]))
    starts = np.searchsorted(eeg["time_stamps"], np.asarray(cues["time_stamps"]) + 1.0)
    return x - x.mean(0), rate, [(i, str(v[0])) for i, v in zip(starts, cues["time_series"])]


def measure_recording(path):
    """The measure per cued frequency and for the person, and the amplitude's variation over 4 s trials."""
    x, rate, cues = read(path)
    ratio, variation = [], []
    for hz in CUED_HZ:
        trials = np.array([x[i : i + 4 * rate] for i, cue in cues if cue == f"cue_{hz}"])
        windows = trials.reshape(len(trials) * 4, rate, -1).transpose(0, 2, 1)
        ratio.append(over_neighbours(bins(windows), hz))
        variation.append(amplitude_variation(trials, hz))
    ratio, variation = np.array(ratio), np.array(variation)
    best = int(ratio.mean(0).argmax())
    return {
        "per_hz": ratio.max(1),
        "person": float(ratio.mean(0)[best]),
        "total": variation[:, 0, best],
        "noise": variation[:, 1, best],
    }


def amplitude_variation(trials, hz):
    """Relative SD of the 4 s amplitude over trials, and the part that noise alone would give (both per channel)."""
    spectra = np.abs(np.fft.rfft(detrend(trials, axis=1), axis=1))
    at = spectra[:, 4 * hz]
    power = np.mean([(spectra[:, 4 * hz + d] ** 2).mean(0) for d in (-3, -2, 2, 3)], axis=0)
    signal = np.sqrt(np.maximum((at**2).mean(0) - power, 1e-30))
    return np.array([at.std(0, ddof=1) / at.mean(0), np.sqrt(power / 2) / signal])


# The simulated people.


def ou(rng, n, tau_s, sd):
    """Ornstein-Uhlenbeck process at the sample rate, stationary."""
    keep = np.exp(-1.0 / (tau_s * RATE_HZ))
    x = rng.standard_normal(n) * sd * np.sqrt(1 - keep**2)
    x[0] = rng.standard_normal() * sd
    return lfilter([1.0], [1.0, -keep], x)


def background_parts(rng, person):
    """1 s windows of unit background, unit alpha and unit sensor noise."""
    n = WINDOWS * RATE_HZ
    variance = CORNERS_HZ ** (1.0 - person["background_exponent"])
    variance /= variance.sum()
    pink = sum(ou(rng, n, 1 / (2 * np.pi * c), np.sqrt(v)) for c, v in zip(CORNERS_HZ, variance))
    pole = np.exp((-2 * np.pi * person["alpha_half_width_hz"] + 2j * np.pi * person["alpha_hz"]) / RATE_HZ)
    kick = (rng.standard_normal(n) + 1j * rng.standard_normal(n)) * np.sqrt(1 - abs(pole) ** 2)
    alpha = lfilter([1.0], [1.0, -pole], kick).real
    sensor = rng.standard_normal(n)
    return [np.fft.rfft(detrend(p.reshape(WINDOWS, RATE_HZ), axis=1), axis=1)[:, 10:21] for p in (pink, alpha, sensor)]


def expected_snr(parts, signal, person, background_uv):
    """The measure at Oz for one strength of the background. Alpha keeps its proportion to it."""
    noise = (
        background_uv * parts[0]
        + background_uv * person["alpha_ratio"] * ALPHA_AT_OZ * parts[1]
        + person["sensor_uv"] * parts[2]
    )
    noise[:, RESPONSE_HZ - 10] += signal * RATE_HZ / 2
    amplitude = np.abs(noise).mean(0)
    return amplitude[RESPONSE_HZ - 10] / np.mean([amplitude[RESPONSE_HZ - 10 + d] for d in NEIGHBOURS_HZ])


def solve_background(rng, person, target):
    """Strength of the background that gives the wanted measure (bisection), and the measure it gives."""
    parts = background_parts(rng, person)
    n = WINDOWS * RATE_HZ
    log_fast = ou(rng, n, person["fluctuation_tau_s"], person["fluctuation_sd"]) - person["fluctuation_sd"] ** 2 / 2
    # The slow drift is drawn afresh for each window, since a session sees only a part of its course.
    log_slow = rng.standard_normal(WINDOWS) * person["drift_sd"]
    response = CONTRAST ** person["exponent"] / (CONTRAST ** person["exponent"] + person["semisaturation"] ** person["exponent"])
    signal = person["gain_uv"] * response * np.exp(log_slow) * np.exp(log_fast).reshape(WINDOWS, RATE_HZ).mean(1)
    low, high = 0.05, 500.0
    for _ in range(60):
        middle = np.sqrt(low * high)
        if expected_snr(parts, signal, person, middle) > target:
            low = middle
        else:
            high = middle
    return middle, expected_snr(parts, signal, person, middle)


def variation_over(tau_s, log_sd, window_s):
    """Relative SD of the mean over `window_s` of exp(OU), from the covariance exp(sd^2 rho) - 1."""
    lag = np.linspace(0, window_s, 2001)
    cover = np.exp(log_sd**2 * np.exp(-lag / tau_s)) - 1
    return np.sqrt(2 / window_s**2 * np.trapezoid((window_s - lag) * cover, lag))


def fluctuation_sd(tau_s, wanted):
    """Stationary SD of log gain whose 4 s means vary by `wanted`."""
    low, high = 0.0, 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if variation_over(tau_s, middle, 4.0) < wanted else (low, middle)
    return middle


def draw_person(rng, strength, own_variation):
    """One person's parameters apart from the strength of the background. `strength`: standard normal score of the SNR."""
    tau = rng.uniform(2.0, 5.0)
    lognormal = lambda median, sd, low, high: float(np.clip(median * np.exp(sd * rng.standard_normal()), low, high))
    # Amplitude differs between people by a factor of about 1.6 (log SD 0.45); people with a good signal-to-noise ratio
    # have it mostly from a strong response (correlation 0.75), partly from a quiet head. Typical people reach 2-6 uV.
    gain_z = 0.75 * strength + np.sqrt(1 - 0.75**2) * rng.standard_normal()
    side = rng.normal(0, 0.12)
    share = lambda base, lean: float(np.clip(base * np.exp(lean * side + rng.normal(0, 0.12)), 0.05, 0.97))
    return {
        "gain_uv": float(3.5 * np.exp(0.45 * gain_z)),
        # Human contrast responses: semisaturation 0.15-0.5, exponent 1.5-3.
        "semisaturation": lognormal(0.30, 0.25, 0.15, 0.55),
        "exponent": lognormal(2.0, 0.15, 1.4, 2.9),
        "rectification": lognormal(1.0, 0.2, 0.6, 1.6),
        "latency_s": float(rng.uniform(0.080, 0.130)),
        "early_tau_s": float(rng.uniform(0.008, 0.014)),
        "late_tau_s": float(rng.uniform(0.006, 0.012)),
        # Attention and fatigue over minutes: 12-30 %.
        "drift_sd": float(rng.uniform(0.12, 0.30)),
        "drift_tau_s": float(rng.uniform(120, 400)),
        "fluctuation_sd": float(fluctuation_sd(tau, rng.uniform(*own_variation))),
        "fluctuation_tau_s": float(tau),
        "topography": {
            "PO7": share(0.42, -1), "PO3": share(0.58, -1), "POz": share(0.75, 0), "PO4": share(0.58, 1),
            "PO8": share(0.42, 1), "O1": share(0.78, -1), "Oz": 1.0, "O2": share(0.78, 1),
        },
        # The recordings' slopes above the alpha peak are -0.2 to -1.0, the literature's 1-2 for full heads.
        "background_exponent": float(rng.uniform(0.8, 1.3)),
        # Channels of the recordings correlate by 0.8-0.95 (2-40 Hz).
        "background_shared": float(rng.uniform(0.80, 0.93)),
        "mixing_seed": int(rng.integers(1, 2**53)),
        "alpha_hz": float(np.clip(rng.normal(10.0, 0.8), 8.2, 11.8)),
        "alpha_half_width_hz": float(rng.uniform(0.4, 0.9)),
        "alpha_ratio": lognormal(0.6, 0.5, 0.15, 1.5),
        "mains_uv": lognormal(0.5, 0.5, 0.1, 2.0),
        "blinks_per_min": float(rng.uniform(6, 24)),
        "blink_uv": lognormal(6.0, 0.4, 2.0, 15.0),
        "sensor_uv": float(rng.uniform(0.3, 0.6)),
    }


def nominal_person(own_variation):
    """The typical person: the medians of everything."""
    tau = 3.5
    person = draw_person(np.random.default_rng(0), 0.0, own_variation)
    person.update(
        gain_uv=3.5, semisaturation=0.30, exponent=2.0, rectification=1.0, latency_s=0.105, early_tau_s=0.011,
        late_tau_s=0.009, drift_sd=0.21, drift_tau_s=260.0, fluctuation_tau_s=tau,
        fluctuation_sd=float(fluctuation_sd(tau, np.mean(own_variation))), background_exponent=1.05,
        background_shared=0.87, mixing_seed=1, alpha_hz=10.0, alpha_half_width_hz=0.65, alpha_ratio=0.6, mains_uv=0.5,
        blinks_per_min=15.0, blink_uv=6.0, sensor_uv=0.45,
        topography={"PO7": 0.42, "PO3": 0.58, "POz": 0.75, "PO4": 0.58, "PO8": 0.42, "O1": 0.78, "Oz": 1.0, "O2": 0.78},
    )
    return person


def finish(rng, name, person, target):
    """Solves the background and rounds to what the file says."""
    background, snr = solve_background(rng, person, target)
    person["background_uv"] = background
    person["alpha_uv"] = background * person.pop("alpha_ratio")
    return {"name": name, "snr": snr} | person


def number(value):
    """Four significant digits, as TOML wants a float."""
    if isinstance(value, int):
        return str(value)
    text = f"{value:.4g}"
    return text if "." in text else text + ".0"


ORDER = [
    "gain_uv", "semisaturation", "exponent", "rectification", "latency_s", "early_tau_s", "late_tau_s", "drift_sd",
    "drift_tau_s", "fluctuation_sd", "fluctuation_tau_s", "topography", "background_uv", "background_exponent",
    "background_shared", "mixing_seed", "alpha_hz", "alpha_half_width_hz", "alpha_uv", "mains_uv", "blinks_per_min",
    "blink_uv", "sensor_uv",
]


def table(header, person, tercile):
    """One person as a TOML table."""
    lines = [header, f'name = "{person["name"]}"', f"snr = {number(person['snr'])}", f'snr_tercile = "{tercile}"']
    for key in ORDER:
        value = person[key]
        if key == "topography":
            inner = ", ".join(f"{label} = {number(v)}" for label, v in value.items())
            lines.append(f"{key} = {{ {inner} }}")
        else:
            lines.append(f"{key} = {number(value)}")
    return "\n".join(lines) + "\n"


def main():
    """Measures the recordings, draws the people, writes or checks the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=20260401)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()

    real = {kind: measure_recording(args.data / name) for kind, name in RECORDINGS.items()}
    for kind, m in real.items():
        print(f"{kind}: per Hz {np.round(m['per_hz'], 2)}, person {m['person']:.2f}, "
              f"variation of 4 s amplitude {np.round(m['total'], 2)}, of it noise {np.round(m['noise'], 2)}")
    own = np.sqrt(np.maximum(real["easy"]["total"] ** 2 - real["easy"]["noise"] ** 2, 0))
    # The drift over the recording's six minutes is part of that variation: about 0.1.
    own = np.sqrt(np.maximum(own**2 - 0.1**2, 0))
    own_variation = (float(own.min()), float(own.max()))
    print(f"fast fluctuation of 4 s amplitude: {own_variation[0]:.3f} to {own_variation[1]:.3f}")

    rng = np.random.default_rng(args.seed)
    place = (np.arange(PEOPLE) + rng.uniform(0, 1, PEOPLE)) / PEOPLE
    targets = SPAN[0] * (SPAN[1] / SPAN[0]) ** place
    score = (place - 0.5) * np.sqrt(12)
    order = rng.permutation(PEOPLE)
    everybody = []
    for i, k in enumerate(order):
        person = draw_person(rng, score[k], own_variation)
        everybody.append(finish(rng, f"P{i + 1:02d}", person, targets[k]))
    rank = np.argsort(np.argsort([p["snr"] for p in everybody]))
    typical = finish(rng, "nominal", nominal_person(own_variation), float(np.sqrt(SPAN[0] * SPAN[1])))

    snr = [p["snr"] for p in everybody]
    low, q1, q2, q3, high = np.quantile(snr, [0, 0.25, 0.5, 0.75, 1])
    summary = (
        f"real: hard {real['hard']['person']:.2f}, easy {real['easy']['person']:.2f} "
        f"(per frequency {', '.join(f'{v:.2f}' for v in real['easy']['per_hz'])}); "
        f"simulated: min {low:.2f}, quartiles {q1:.2f} {q2:.2f} {q3:.2f}, max {high:.2f}"
    )
    print(summary)
    for key in ("gain_uv", "background_uv", "alpha_uv", "fluctuation_sd"):
        print(key, np.round(np.quantile([p[key] for p in everybody], [0, 0.25, 0.5, 0.75, 1]), 2))
    terciles = ("low", "middle", "high")
    text = (
        f"# Made by scripts/make_participants.py --seed {args.seed}; do not edit. Keys: `Person` in person.rs.\n"
        f"# Signal-to-noise ratio, {summary}.\n\n"
        + table("[nominal]", typical, terciles[min(2, 3 * int(np.searchsorted(np.sort(snr), typical["snr"])) // PEOPLE)])
        + "".join("\n" + table("[[person]]", p, terciles[3 * int(r) // PEOPLE]) for p, r in zip(everybody, rank))
    )
    if args.check:
        same = OUT.read_text() == text
        print("the committed file is", "the same" if same else "DIFFERENT")
        return 0 if same else 1
    OUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
