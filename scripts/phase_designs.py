#!/usr/bin/env python3
"""Design study behind crates/signal/src/rhythm: two ways to forecast the phase of alpha, on the same signals.

Usage: phase_designs.py [SECONDS]

- tracker: the Kalman filter of an oscillator in a 1/f background, its powers fitted to the spectrum of the first minute. A
  NumPy version of what `signal` does in Rust, without the hum.
- autoregressive: a band-passed window of 720 ms, its edge cut and bridged by an AR(15) forecast, Hilbert transform (Chen et
  al. 2013, IEEE Trans. Biomed. Eng. 60, 753; Zrenner et al. 2018, Brain Stimulation 11, 374).
- ideal: the tracker with the parameters of the simulation itself, where the simulation is of its kind.

Signals: `model`, alpha as a damped rotation kicked by noise with a half width of 1 Hz (the tracker's own assumption);
`bursts`, alpha of constant amplitude that comes and goes within seconds, with a frequency that wanders (SD 0.4 Hz over 2 s);
`arched`, the same with a waveform that is no sine (harmonics of 25 % and 10 %). Signal-to-noise ratio: power of alpha over
power of the rest, both within 8 to 13 Hz. Printed: mean resultant length of forecast against true phase at moments that
nobody chose.
"""

import sys

import numpy as np
from scipy import signal
from scipy.linalg import solve_toeplitz

TAU = 2 * np.pi
RATE_HZ, BAND_HZ, CENTRE_HZ, HALF_WIDTH_HZ = 250, (8.0, 13.0), 10.2, 1.0
SIMULATED_HZ = np.array([0.15, 0.45, 1.35, 4.05, 12.15, 36.45])
MODELLED_HZ = np.array([0.1, 1.0, 5.0, 25.0])
AHEAD_S = (0.0, 0.02, 0.036, 0.052, 0.068, 0.1)


def relaxation(n, corner_hz, rng):
    keep = np.exp(-TAU * corner_hz / RATE_HZ)
    kicks = np.sqrt(1 - keep**2) * rng.standard_normal(n)
    kicks[0] = rng.standard_normal()
    return signal.lfilter([1.0], [1.0, -keep], kicks)


def alpha(kind, n, rng):
    """True complex rhythm, and what the electrode sees of it."""
    if kind == "model":
        keep = np.exp(-TAU * HALF_WIDTH_HZ / RATE_HZ)
        kicks = np.sqrt(1 - keep**2) * (rng.standard_normal(n) + 1j * rng.standard_normal(n))
        z = signal.lfilter([1.0], [1.0, -keep * np.exp(1j * TAU * CENTRE_HZ / RATE_HZ)], kicks)
        return z, z.real
    hz = CENTRE_HZ + 0.4 * relaxation(n, 1 / (TAU * 2.0), rng)
    angle = TAU * np.cumsum(hz) / RATE_HZ
    envelope = 1 / (1 + np.exp(-4 * relaxation(n, 1 / (TAU * 1.0), rng)))
    z = envelope * np.exp(1j * angle)
    if kind == "arched":
        return z, envelope * (np.cos(angle) + 0.25 * np.cos(2 * angle + 1) + 0.1 * np.cos(3 * angle + 2))
    return z, z.real


def in_band(x):
    hz, density = signal.welch(x, RATE_HZ, nperseg=8 * RATE_HZ)
    return density[(hz >= BAND_HZ[0]) & (hz <= BAND_HZ[1])].sum()


def simulate(kind, snr_db, seconds, seed):
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE_HZ)
    z, seen = alpha(kind, n, rng)
    shares = SIMULATED_HZ**-0.2
    rest = sum(np.sqrt(share) * relaxation(n, hz, rng) for share, hz in zip(shares, SIMULATED_HZ))
    gain = np.sqrt(in_band(seen) / in_band(rest) / 10 ** (snr_db / 10))
    return seen + gain * rest, z, gain**2 * shares


def oscillator_density(hz, centre_hz, half_width_hz):
    keep = np.exp(-TAU * half_width_hz / RATE_HZ)
    pole = lambda at: (1 - keep**2) / np.abs(1 - keep * np.exp(1j * TAU * (at - hz) / RATE_HZ)) ** 2
    return (pole(centre_hz) + pole(-centre_hz)) / RATE_HZ


def fit(x):
    """Frequency, half width, power of the rhythm; corners and powers of the background; white power."""
    hz, measured = signal.welch(x, RATE_HZ, nperseg=4 * RATE_HZ, detrend="constant")
    keep = (hz >= 0.75) & (hz <= 45)
    hz, measured = hz[keep], measured[keep]
    fixed = [oscillator_density(hz, 0, corner) for corner in MODELLED_HZ] + [np.full_like(hz, 2 / RATE_HZ)]
    best = (np.inf,)
    for half_width_hz in (0.4, 0.6, 0.9, 1.3, 1.9, 2.7):
        for centre_hz in np.arange(BAND_HZ[0], BAND_HZ[1] + 0.01, 0.25):
            parts = np.array([*fixed, oscillator_density(hz, centre_hz, half_width_hz)])
            powers = measured.mean() / len(parts) / parts.mean(axis=1)
            for _ in range(40):
                model = powers @ parts
                powers *= (parts @ (measured / model**2)) / (parts @ (1 / model))
            model = powers @ parts
            cost = np.sum(np.log(model) + measured / model)
            if cost < best[0]:
                best = (cost, centre_hz, half_width_hz, powers[-1], MODELLED_HZ, powers[:-2], powers[-2])
    return best[1:]


def track(x, model):
    centre_hz, half_width_hz, power, corners, powers, white = model
    keep = np.exp(-TAU * half_width_hz / RATE_HZ)
    turn = TAU * centre_hz / RATE_HZ
    step = np.diag(np.r_[0, 0, np.exp(-TAU * corners / RATE_HZ)])
    step[:2, :2] = keep * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    stationary = np.diag(np.r_[power, power, powers])
    driven = stationary - step @ stationary @ step.T
    seen = np.r_[1, 0, np.ones(len(corners))]
    covariance = stationary
    for _ in range(4000):
        covariance = step @ covariance @ step.T + driven
        variance = seen @ covariance @ seen + white
        gain = covariance @ seen / variance
        covariance = covariance - np.outer(gain, seen @ covariance)
    bound = 4 * np.sqrt(variance)
    state, found = np.zeros(len(seen)), np.empty(len(x), complex)
    for n, value in enumerate(x - x[0]):
        state = step @ state
        state = state + gain * np.clip(value - seen @ state, -bound, bound)
        found[n] = state[0] + 1j * state[1]
    return found, centre_hz


def autoregressive(x, end):
    window, edge, order = int(0.72 * RATE_HZ), int(round(0.064 * RATE_HZ)), int(round(0.06 * RATE_HZ))
    segment = x[end - window + 1 : end + 1]
    taps = signal.firwin(int(0.128 * RATE_HZ) | 1, BAND_HZ, fs=RATE_HZ, pass_zero=False)
    y = signal.filtfilt(taps, [1.0], segment - segment.mean(), padlen=3 * len(taps))[edge:-edge]
    r = np.correlate(y, y, "full")[len(y) - 1 : len(y) + order]
    a = solve_toeplitz(r[:order] * np.r_[1 + 1e-9, np.ones(order - 1)], r[1 : order + 1])
    steps = 2 * edge + int(max(AHEAD_S) * RATE_HZ) + 1
    y = np.r_[y, np.zeros(steps)]
    for n in range(len(y) - steps, len(y)):
        y[n] = a @ y[n - order : n][::-1]
    angles = np.angle(signal.hilbert(y))
    return [angles[len(y) - steps + edge - 1 + int(round(s * RATE_HZ))] for s in AHEAD_S]


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 400.0
    print("signal   SNR    design         " + " ".join(f"{1e3 * s:4.0f} ms" for s in AHEAD_S))
    for kind in ("model", "bursts", "arched"):
        for snr_db in (0, 5, 10, 15):
            x, z, powers = simulate(kind, snr_db, seconds, seed=1)
            at = np.arange(60 * RATE_HZ, len(x) - RATE_HZ, 37)
            if kind != "model":
                # Without alpha there is no phase to be forecast.
                at = at[np.abs(z[at]) > 0.5]
            trackers = {"tracker": fit(x[: 60 * RATE_HZ])}
            if kind == "model":
                trackers["ideal"] = (CENTRE_HZ, HALF_WIDTH_HZ, 1.0, SIMULATED_HZ, powers, 1e-9)
            forecasts = {"autoregressive": np.array([autoregressive(x, end) for end in at])}
            for name, model in trackers.items():
                found, hz = track(x, model)
                forecasts[name] = np.array([np.angle(found[at]) + TAU * hz * s for s in AHEAD_S]).T
            truth = np.array([np.angle(z[at + int(round(s * RATE_HZ))]) for s in AHEAD_S]).T
            for name in (*trackers, "autoregressive"):
                lengths = np.abs(np.mean(np.exp(1j * (forecasts[name] - truth)), axis=0))
                print(f"{kind:7} {snr_db:3} dB  {name:14} " + " ".join(f"{r:7.2f}" for r in lengths), flush=True)


if __name__ == "__main__":
    main()
