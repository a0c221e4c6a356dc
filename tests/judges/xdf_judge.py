"""Judge: pyxdf reads each FOLDER/*.xdf as FOLDER/*.xdf.json says that Photic reads it, and mne takes the EEG.

Usage: xdf_judge.py FOLDER

Raw stamps and values are compared by the SHA-256 of their little-endian bytes, corrected stamps to 1 us. Prints one
line per file; exits 1 at the end when any differs.
"""

import hashlib
import json
import logging
import pathlib
import sys

import mne
import numpy
import pyxdf

TOLERANCE_S = 1e-6


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def value_bytes(stream, fmt):
    series = stream["time_series"]
    if fmt == "string":
        return b"".join(text.encode() + b"\0" for row in series for text in row)
    return series.astype(series.dtype.newbyteorder("<")).tobytes()


def labels(stream):
    desc = stream["info"].get("desc") or [None]
    channels = (desc[0] or {}).get("channels") or [None]
    return [(channel["label"][0] or "").strip() for channel in (channels[0] or {}).get("channel", [])]


def differences(raw, corrected, expected):
    """Yields what pyxdf sees otherwise in one stream."""
    info = raw["info"]
    footer = (raw.get("footer") or {}).get("info") or {}
    seen = {
        "name": (info["name"][0] or "").strip(),
        "format": info["channel_format"][0],
        "samples": len(raw["time_stamps"]),
        "stamps_sha256": sha256(raw["time_stamps"].astype("<f8").tobytes()),
        "values_sha256": sha256(value_bytes(raw, info["channel_format"][0])),
        "labels": labels(raw),
        "clock_offsets": len(raw["clock_times"]),
        "footer_samples": int(footer["sample_count"][0]) if "sample_count" in footer else None,
    }
    for key, value in seen.items():
        if value != expected[key]:
            yield f"{key}: pyxdf {value!r}, Photic {expected[key]!r}"
    stamps, wanted = corrected["time_stamps"], numpy.array(expected["corrected_s"], dtype=float)
    if stamps.shape != wanted.shape:
        yield f"corrected stamps: pyxdf has {stamps.shape[0]}, Photic {wanted.shape[0]}"
    elif stamps.size:
        worst = float(numpy.max(numpy.abs(stamps - wanted)))
        if not worst <= TOLERANCE_S:
            yield f"corrected stamps differ by up to {worst} s"


def check_mne(stream):
    """mne must take a regular stream of numbers of type EEG."""
    info = stream["info"]
    rate = float(info["nominal_srate"][0])
    if info["type"][0] != "EEG" or rate <= 0 or not len(stream["time_stamps"]):
        return 0
    count = int(info["channel_count"][0])
    names = labels(stream)
    names = names if len(names) == count else [str(channel) for channel in range(count)]
    raw = mne.io.RawArray(
        numpy.asarray(stream["time_series"], dtype=float).T, mne.create_info(names, rate, "eeg"), verbose="error"
    )
    assert raw.n_times == len(stream["time_stamps"])
    return 1


def judge(path):
    """Compares one file; returns (number of streams, streams taken by mne, list of differences)."""
    expected = json.loads(path.with_name(path.name + ".json").read_text())["streams"]
    raws, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    corrected, _ = pyxdf.load_xdf(path, synchronize_clocks=True, dejitter_timestamps=False)
    pyxdf.load_xdf(path)
    raws = {stream["info"]["stream_id"]: stream for stream in raws}
    corrected = {stream["info"]["stream_id"]: stream for stream in corrected}
    found = []
    if sorted(raws) != sorted(stream["id"] for stream in expected):
        found.append(f"streams: pyxdf {sorted(raws)}, Photic {sorted(stream['id'] for stream in expected)}")
    taken = 0
    for stream in expected:
        if stream["id"] in raws:
            one = raws[stream["id"]]
            found += [f"{stream['name']}: {what}" for what in differences(one, corrected[stream["id"]], stream)]
            taken += check_mne(one)
    return len(raws), taken, found


def main():
    logging.disable(logging.CRITICAL)
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.xdf"))
    failed = 0
    for path in paths:
        try:
            streams, taken, found = judge(path)
        except Exception as error:  # whatever pyxdf raises is a verdict
            streams, taken, found = 0, 0, [f"{type(error).__name__}: {error}"]
        failed += bool(found)
        print(f"{path.name}: {streams} streams, {taken} taken by mne: {'; '.join(found) or 'same'}")
    if not paths:
        print("no files")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
