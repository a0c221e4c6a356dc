#!/usr/bin/env python3
"""Judge: does pyxdf open these files, with samples in them?

Usage: xdf_opens.py FILE ...

One line per file: `opens: N streams, M samples` or `fails: why`. The exit status says only whether the judge itself ran.
"""

import logging
import sys

import pyxdf


def judge(path):
    try:
        streams, _ = pyxdf.load_xdf(path)
        samples = sum(len(stream["time_stamps"]) for stream in streams)
    except Exception as error:  # whatever pyxdf raises is a verdict
        return f"fails: {type(error).__name__}: {error}"
    return f"opens: {len(streams)} streams, {samples} samples" if samples else "fails: no sample"


def main():
    logging.disable(logging.CRITICAL)
    for path in sys.argv[1:]:
        print(judge(path).replace("\n", " "))


if __name__ == "__main__":
    main()
