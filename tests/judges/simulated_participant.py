#!/usr/bin/env python3
"""Somebody else's software in front of `photic simulate`: finds the streams by pylsl, records them, and says what it saw.

    simulated_participant.py NAME --seconds S [--also SUFFIX ...] [--hz F ... --span FROM:TO] [--montage]
        [--tell STREAM --at S:TEXT ...] [--stall PID --stall-at S --stall-for S]

Environment: LSLAPICFG names liblsl's configuration. With --tell it first offers a marker stream of that name and sends each text
that many seconds after the first sample; --stall stops a process for a while. One JSON object on the last line; per stream what its
description says, samples, gaps (seconds after the first stamp, length), rate of arrival, SHA-256 of the first S seconds as
little-endian float32, amplitudes by frequency at Oz, texts. Every wait has a deadline.
"""

import argparse
import hashlib
import json
import os
import signal
import time

import numpy as np
import pylsl

DEADLINE_S = 20.0


def channels(info):
    found, channel = [], info.desc().child("channels").child("channel")
    while not channel.empty():
        place = channel.child("location")
        axes = [] if place.empty() else [float(place.child_value(axis)) for axis in "XYZ"]
        found.append(
            {
                "label": channel.child_value("label"),
                "unit": channel.child_value("unit"),
                "type": channel.child_value("type"),
                "mm": axes,
            }
        )
        channel = channel.next_sibling("channel")
    return found


def open_inlet(name):
    found = pylsl.resolve_byprop("name", name, 1, DEADLINE_S)
    if not found:
        raise SystemExit(f"no stream {name} within the deadline")
    inlet = pylsl.StreamInlet(found[0])
    info = inlet.info(DEADLINE_S)
    return inlet, info


def grid_rate(stamps, arrivals, rate):
    """Samples per second of arrival. The shortest delay of the first and of the last third say how it drifts, whatever delays
    a busy machine adds in between."""
    since, delay = stamps - stamps[0], arrivals - stamps
    third = since[-1] / 3
    first, last = since < third, since > 2 * third
    drift = (delay[last].min() - delay[first].min()) / (since[last].mean() - since[first].mean())
    return float(rate / (1 + drift))


def amplitude(samples, stamps, rate, hz, from_s, to_s):
    """Amplitude at a frequency by projection under a Hann window, for samples without a gap."""
    since = stamps - stamps[0]
    chosen = (since >= from_s) & (since < to_s)
    x, t = samples[chosen], since[chosen]
    if len(x) < 0.98 * (to_s - from_s) * rate:
        return None
    window = np.hanning(len(x) + 1)[:-1]
    return float(2 * np.abs(np.sum(window * x * np.exp(-2j * np.pi * hz * t))) / window.sum())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--also", action="append", default=[], help="suffix of a further stream")
    parser.add_argument("--hz", type=float, action="append", default=[])
    parser.add_argument("--span", default="2:6", help="seconds from which amplitudes are taken")
    parser.add_argument("--montage", action="store_true", help="compare the electrodes' places with MNE's standard ones")
    parser.add_argument("--tell", help="marker stream to offer")
    parser.add_argument("--at", action="append", default=[], help="SECONDS:TEXT")
    parser.add_argument("--stall", type=int, help="process to stop for a while")
    parser.add_argument("--stall-at", type=float, default=2.0)
    parser.add_argument("--stall-for", type=float, default=1.0)
    options = parser.parse_args()

    teller = None
    if options.tell:
        info = pylsl.StreamInfo(options.tell, "Markers", 1, 0, "string", options.tell + "-test")
        teller = pylsl.StreamOutlet(info)
        if not teller.wait_for_consumers(DEADLINE_S):
            raise SystemExit("nobody listened to the markers within the deadline")
    to_tell = sorted((float(s), text) for s, text in (entry.split(":", 1) for entry in options.at))

    inlets = [open_inlet(options.name + suffix) for suffix in ["", *options.also]]
    for inlet, _ in inlets[::-1]:
        inlet.open_stream(DEADLINE_S)
    kept = [([], [], []) for _ in inlets]
    first = None
    stalled = resumed = options.stall is None
    give_up = time.monotonic() + DEADLINE_S + options.seconds
    while time.monotonic() < give_up:
        for (inlet, _), (stamps, values, arrivals) in zip(inlets, kept):
            chunk, new = inlet.pull_chunk(timeout=0.0, max_samples=4096)
            now = pylsl.local_clock()
            stamps += new
            values += chunk
            arrivals += [now] * len(new)
        if first is None and kept[0][0]:
            first = kept[0][0][0]
        if first is not None:
            since = pylsl.local_clock() - first
            while teller and to_tell and since >= to_tell[0][0]:
                teller.push_sample([to_tell.pop(0)[1]])
            if not stalled and since >= options.stall_at:
                os.kill(options.stall, signal.SIGSTOP)
                stalled = True
            if stalled and not resumed and since >= options.stall_at + options.stall_for:
                os.kill(options.stall, signal.SIGCONT)
                resumed = True
            if since > options.seconds + 0.3:
                break
        time.sleep(0.002)
    result = {"streams": []}
    for (inlet, info), (stamps, values, arrivals) in zip(inlets, kept):
        stamps, arrivals = np.array(stamps), np.array(arrivals)
        rate = info.nominal_srate()
        stream = {
            "name": info.name(),
            "type": info.type(),
            "rate": rate,
            "source_id": info.source_id(),
            "channels": channels(info),
            "desc": {key: info.desc().child_value(key) for key in ["manufacturer", "simulated_participant", "participant_toml", "seed"]},
            "samples": len(stamps),
            "first": float(stamps[0]) if len(stamps) else None,
        }
        if rate > 0 and len(stamps) > 10:
            matrix = np.array(values, dtype="<f4")
            steps = np.diff(stamps)
            gaps = np.nonzero(steps > 1.5 / rate)[0]
            stream["gaps"] = [[float(stamps[i] - stamps[0]), float(steps[i])] for i in gaps]
            grid = (stamps - stamps[0]) * rate
            stream["worst_grid"] = float(np.max(np.abs(grid - np.round(grid))))
            stream["measured_rate"] = grid_rate(stamps, arrivals, rate)
            stream["worst_delay"] = float(np.max(arrivals - stamps))
            stream["sha256"] = hashlib.sha256(matrix[: int(options.seconds * rate)].tobytes()).hexdigest()
            labels = [channel["label"] for channel in stream["channels"]]
            if "Oz" in labels and not gaps.size:
                oz = matrix[:, labels.index("Oz")].astype(float)
                begin, end = map(float, options.span.split(":"))
                stream["amplitudes"] = {str(hz): amplitude(oz, stamps, rate, hz, begin, end) for hz in options.hz}
            if "x" in labels:
                stream["gaze_sd"] = float(matrix[:, labels.index("x")].std())
        elif rate == 0:
            stream["texts"] = [[float(s - kept[0][0][0]), v[0]] for s, v in zip(stamps, values)]
        result["streams"].append(stream)
    if options.montage:
        import mne

        montage = mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"]
        angles = []
        for channel in result["streams"][0]["channels"]:
            ours, theirs = np.array(channel["mm"]), montage[channel["label"]]
            theirs = theirs - np.array([0.0, 0.0, 0.04])
            cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
            angles.append(float(np.degrees(np.arccos(cosine))))
        result["worst_angle_deg"] = max(angles)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
