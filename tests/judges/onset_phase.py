#!/usr/bin/env python3
"""Judge: phases at the onsets of a session, by MNE and SciPy, and another design of phase forecast beside ours.

Usage: onset_phase.py SESSION_FOLDER SUMMARY_JSON

- The recorded phases of `onsets` in the summary are compared with those of MNE's zero-phase FIR filter and SciPy's Hilbert
  transform at the first flip with contrast.
- On presentations that waited for nothing, the forecast of the record is compared with the participant's own rhythm, and so
  is that of an autoregressive model on a band-passed window (Chen et al. 2013; Zrenner et al. 2018): 720 ms, two-pass FIR,
  64 ms cut off at the edge and bridged by an AR(15) forecast, Hilbert transform. Both see the same samples.

Exit status 1 with the numbers when they disagree, or when the autoregressive design is the better one.
"""

import json
import logging
import sys
from pathlib import Path

import mne
import numpy as np
import pyxdf
from scipy import signal
from scipy.linalg import solve_toeplitz

BAND_HZ = (8.0, 13.0)
CHANNELS = ["PO3", "POz", "PO4", "O1", "Oz", "O2"]


def records(streams, name):
    stream = next(s for s in streams if s["info"]["name"][0] == name)
    names = [c["label"][0] for c in stream["info"]["desc"][0]["channels"][0]["channel"]]
    table = np.asarray(stream["time_series"], dtype=np.int64).reshape(-1, len(names))
    return {
        n: (table[:, i].copy().view(np.float64) if n.endswith("_f64") else table[:, i]) for i, n in enumerate(names)
    }


def circular(angles):
    mean = np.mean(np.exp(1j * np.asarray(angles)))
    return abs(mean), np.degrees(np.angle(mean)) % 360.0


def phase_at(analytic, place):
    """Between two samples: the rotation from one to the next is uniform to a part in a thousand."""
    before = np.floor(place).astype(int)
    a, b = analytic[before], analytic[before + 1]
    return np.angle(a) + (place - before) * np.angle(b / a)


def autoregressive(x, rate_hz, end, ahead_s):
    """Phase `ahead_s` after the last of the samples before `end`."""
    window, edge = int(0.72 * rate_hz), int(round(0.064 * rate_hz))
    order = int(round(0.06 * rate_hz))
    segment = x[end - window : end]
    taps = signal.firwin(int(0.128 * rate_hz) | 1, BAND_HZ, fs=rate_hz, pass_zero=False)
    y = signal.filtfilt(taps, [1.0], segment - segment.mean(), padlen=min(window - 1, 3 * len(taps)))[edge:-edge]
    r = np.correlate(y, y, "full")[len(y) - 1 : len(y) + order]
    a = solve_toeplitz(r[:order] * np.r_[1.0 + 1e-9, np.ones(order - 1)], r[1 : order + 1])
    steps = 2 * edge + int(np.ceil(ahead_s * rate_hz)) + 1
    y = np.r_[y, np.zeros(steps)]
    for n in range(len(y) - steps, len(y)):
        y[n] = a @ y[n - order : n][::-1]
    place = len(y) - steps + edge - 1 + ahead_s * rate_hz
    return phase_at(signal.hilbert(y), np.array([place]))[0]


def main():
    logging.disable(logging.CRITICAL)
    mne.set_log_level("ERROR")
    folder, summary = Path(sys.argv[1]), json.loads(sys.argv[2])
    streams, _ = pyxdf.load_xdf(str(next(folder.glob("*.xdf"))), dejitter_timestamps=False)
    eeg = next(s for s in streams if s["info"]["type"][0] == "EEG")
    rate_hz = float(eeg["info"]["nominal_srate"][0])
    labels = [c["label"][0] for c in eeg["info"]["desc"][0]["channels"][0]["channel"]]
    x = np.asarray(eeg["time_series"], dtype=np.float64)[:, [labels.index(c) for c in CHANNELS]].mean(axis=1)
    start_s = eeg["time_stamps"][0]
    onsets, flips = records(streams, "photic-onsets"), records(streams, "photic-flips")
    own = records(streams, "photic-latent-rhythm")
    own = own["re_uv_f64"] + 1j * own["im_uv_f64"]
    photon_ns = {}
    for command, onset_ns, contrast in zip(flips["command"], flips["onset_ns"], flips["contrast_f64"]):
        if contrast > 0:
            photon_ns.setdefault(command, onset_ns)
    shown = np.array([c in photon_ns for c in onsets["command"]])
    place = np.array([(photon_ns[c] / 1e9 - start_s) * rate_hz for c in onsets["command"][shown]])
    wanted = np.where(onsets["has_wanted"] == 1, np.degrees(onsets["wanted_rad_f64"]), -1.0)[shown].round(3)

    filtered = mne.filter.filter_data(x, rate_hz, *BAND_HZ, method="fir", phase="zero")
    recorded, true = phase_at(signal.hilbert(filtered), place), phase_at(own, place)
    # Next to the ends no band-pass has both sides.
    inside = (place > 0.6 * rate_hz) & (place < len(x) - 0.6 * rate_hz)
    sos = signal.butter(4, BAND_HZ, "bandpass", fs=rate_hz, output="sos")
    snr_db = 10.0 * np.log10(np.divide(*(np.var(signal.sosfilt(sos, part)) for part in (own.real, x - own.real))))
    print(f"alpha over everything else in the band: {snr_db:.1f} dB")
    bad = []
    for group in summary["phases"]:
        key = -1.0 if group["wanted_deg"] is None else round(group["wanted_deg"], 3)
        of = wanted == key
        for name, angles in (("recorded", recorded[of & inside]), ("latent", true[of])):
            resultant, mean_deg = circular(angles)
            ours = group[name]
            apart = abs((ours["mean_deg"] - mean_deg + 180.0) % 360.0 - 180.0)
            print(f"{name}, wanted {key:g}: R {ours['resultant']:.3f} at {ours['mean_deg']:.0f}, judge {resultant:.3f} at {mean_deg:.0f}")
            if abs(ours["resultant"] - resultant) > 0.05 or (resultant > 0.3 and apart > 6.0) or ours["n"] != len(angles):
                bad.append(f"{name}, wanted {key:g}: {ours} against {resultant:.3f} at {mean_deg:.1f}, n {len(angles)}")

    free = np.flatnonzero(wanted == -1.0)
    ends = onsets["end_sample"][shown][free].astype(int)
    ahead_s = (onsets["photon_ns"] - onsets["sample_ns"])[shown][free] / 1e9
    other = np.array([autoregressive(x, rate_hz, end, ahead) for end, ahead in zip(ends, ahead_s)])
    ours, _ = circular(onsets["phase_rad_f64"][shown][free] - true[free])
    theirs, _ = circular(other - true[free])
    promised = onsets["resultant_f64"][shown][free].mean()
    print(f"forecast {1e3 * ahead_s.mean():.0f} ms ahead, n {len(free)}: tracker {ours:.3f} (promised {promised:.3f}), autoregressive {theirs:.3f}")
    if ours < theirs or abs(ours - promised) > 0.12:
        bad.append(f"forecast: tracker {ours:.3f} (promised {promised:.3f}), autoregressive {theirs:.3f}")
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
