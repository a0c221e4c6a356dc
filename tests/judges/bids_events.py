#!/usr/bin/env python3
"""Judges a session's events.tsv: by the BIDS validator, and against the recording.

    bids_events.py SESSION [SESSION ...]

The validator is the official one (PyPI's bids-validator-deno) and lies beside this interpreter; it gets a dataset that holds
the sessions' events as behavioural data. The recording is read by pyxdf where it is there. Prints one JSON object.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def dataset(sessions, root):
    """A BIDS dataset of events alone."""
    description = {
        "Name": "Photic events", "BIDSVersion": "1.10.0", "DatasetType": "raw", "Authors": ["A", "B"], "License": "CC0",
        "Acknowledgements": "-", "HowToAcknowledge": "-", "Funding": ["-"], "EthicsApprovals": ["-"],
        "ReferencesAndLinks": ["-"], "DatasetDOI": "doi:10.0.2.3/photic",
        "GeneratedBy": [{"Name": "Photic"}], "SourceDatasets": [{"URL": "https://example.org"}],
    }
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "README.md").write_text("Events of Photic sessions, as they lie in the session folders, for the validator alone.\n" * 5)
    people = set()
    for session in sessions:
        table = Path(glob.glob(f"{session}/*_events.tsv")[0])
        subject, ses = re.match(r"(sub-[A-Za-z0-9]+)_(ses-[A-Za-z0-9]+)_", table.name).groups()
        people.add(subject)
        to = root / subject / ses / "beh"
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(table, to / table.name)
        shutil.copy(table.with_suffix(".json"), to / (table.stem + ".json"))
    (root / "participants.tsv").write_text("participant_id\n" + "".join(f"{subject}\n" for subject in sorted(people)))


def validate(sessions):
    validator = Path(sys.executable).parent / "bids-validator-deno"
    if not validator.exists():
        return {"validator": None, "errors": None}
    with tempfile.TemporaryDirectory() as place:
        dataset(sessions, Path(place))
        ran = subprocess.run([validator, place, "--json"], capture_output=True, text=True, timeout=120,
                             env={**os.environ, "NO_COLOR": "1"})
        found = json.loads(ran.stdout)
        issues = found["issues"]["issues"]
        errors = [issue for issue in issues if issue.get("severity") == "error"]
        warnings = [issue for issue in issues if issue.get("severity") == "warning"]
        seen = found["summary"]
        name = lambda issue: f"{issue.get('code')} {issue.get('subCode', '')} {issue.get('location', '')}".strip()
        return {"validator": seen.get("schemaVersion"), "files": seen.get("totalFiles"), "errors": [name(e) for e in errors],
                "warnings": sorted({name(w) for w in warnings})}


def check_table(session):
    """What BIDS says of the table's form."""
    with open(glob.glob(f"{session}/*_events.tsv")[0], newline="", encoding="utf-8") as file:
        lines = file.read().split("\n")
    assert lines[-1] == "" and "\r" not in "".join(lines)
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:-1]]
    assert names[:2] == ["onset", "duration"] and len(set(names)) == len(names)
    onsets = [float(row["onset"]) for row in rows]
    assert onsets == sorted(onsets)
    for row in rows:
        assert all(value.strip() for value in row.values()), row
        assert row["duration"] == "n/a" or float(row["duration"]) >= 0, row
    with open(glob.glob(f"{session}/*_events.json")[0], encoding="utf-8") as file:
        dictionary = json.load(file)
    assert all(name in dictionary for name in names), set(names) - set(dictionary)
    assert all("Description" in dictionary[name] for name in names)
    return rows


def check_recording(session, rows):
    """Reaction times and onsets again, from the recorded flips and responses alone."""
    try:
        import pyxdf
    except ImportError:
        return None
    streams, _ = pyxdf.load_xdf(glob.glob(f"{session}/*_eeg.xdf")[0], synchronize_clocks=False, dejitter_timestamps=False)
    records = {}
    for stream in streams:
        name = stream["info"]["name"][0]
        if name.startswith("photic-") and stream["info"]["desc"][0]:
            labels = [channel["label"][0] for channel in stream["info"]["desc"][0]["channels"][0]["channel"]]
            records[name] = [dict(zip(labels, map(int, row), strict=True)) for row in stream["time_series"]]
    first = {}
    for flip in records["photic-flips"]:
        if flip["contrast_f64"] != 0 and flip["command"] >= 0:
            first.setdefault(flip["command"], flip["onset_ns"])
    responses = {response["index"]: response for response in records.get("photic-responses", [])}
    attempts = sorted(records["photic-attempts"], key=lambda a: a["onset_ns"] if a["frame"] >= 0 else a["begin_ns"])
    mine = [row for row in rows if row["outcome"] != "n/a"]
    assert len(mine) == len(attempts)
    times = 0
    for row, attempt in zip(mine, attempts, strict=True):
        if attempt["frame"] >= 0:
            assert first[attempt["command"]] == attempt["onset_ns"]
        if attempt["response"] >= 0 and attempt["frame"] >= 0:
            took = (responses[attempt["response"]]["at_ns"] - first[attempt["command"]]) / 1e9
            assert abs(float(row["response_time"]) - took) < 1e-6, (row, took)
            times += 1
    return times


def main():
    sessions = sys.argv[1:]
    result = validate(sessions)
    result["rows"], result["reaction_times"] = 0, 0
    for session in sessions:
        rows = check_table(session)
        result["rows"] += len(rows)
        times = check_recording(session, rows)
        result["reaction_times"] = None if times is None else result["reaction_times"] + times
    print(json.dumps(result))


if __name__ == "__main__":
    main()
