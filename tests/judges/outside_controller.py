#!/usr/bin/env python3
"""A controller outside of Photic, by the reference binding (pylsl): an integrator on the contrast, and the faults that one
asks for.

    outside_controller.py --states NAME --replies NAME --script works:20,nan:10,range:10,index:10,stall:20,works:10,exit:0

Environment: LSLAPICFG names liblsl's configuration. Follows the script by the number of states that it was told, prints
one JSON line with what it was told and what it sent in each part, and ends after --seconds whatever happens.
"""

import argparse
import json
import math
import time

import pylsl


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--states", required=True)
    parser.add_argument("--replies", required=True)
    parser.add_argument("--script", required=True)
    parser.add_argument("--gives", default="contrast", choices=["contrast", "value"])
    parser.add_argument("--channels", type=int, default=0, help="of the outlet, where it is to be wrong")
    parser.add_argument("--seconds", type=float, default=90.0)
    options = parser.parse_args()
    give_up = time.monotonic() + options.seconds
    channels = options.channels or {"contrast": 2, "value": 3}[options.gives]
    outlet = pylsl.StreamOutlet(
        pylsl.StreamInfo(options.replies, "Reply", channels, pylsl.IRREGULAR_RATE, "double64", options.replies + "-source")
    )
    print("ready", flush=True)
    found = pylsl.resolve_byprop("name", options.states, 1, options.seconds)
    if not found:
        raise SystemExit("outside_controller: no states within the deadline")
    inlet = pylsl.StreamInlet(found[0])
    info = inlet.info(10.0).desc()
    said = {key: info.child_value(key) for key in ["gives", "deadline_s", "contrast_min", "contrast_max"]}
    parts = [(name, int(count)) for name, count in (part.split(":") for part in options.script.split(","))]
    told, sent, contrast = [], [], 0.3
    names = [name for name, count in parts for _ in range(count)]
    while time.monotonic() < give_up and len(told) < len(names):
        sample, stamp = inlet.pull_sample(0.2)
        if stamp is None:
            continue
        state, value, spread, set_point = sample[:4]
        part = names[len(told)]
        told.append(part)
        contrast = min(0.9, max(0.0, contrast + 0.003 * (set_point - value)))
        answer = [state, contrast] if options.gives == "contrast" else [state, value, spread]
        if part == "stall":
            continue
        if part == "nan":
            answer[1] = math.nan
        if part == "range":
            answer[1] = 7.0 if options.gives == "contrast" else 7e4
        if part == "index":
            answer[0] = state + 1000.0
        outlet.push_sample(answer)
        sent.append(part)
    count = lambda of, name: sum(part == name for part in of)
    kinds = sorted(set(names))
    print(json.dumps({"said": said, "told": {k: count(told, k) for k in kinds}, "sent": {k: count(sent, k) for k in kinds}}))


if __name__ == "__main__":
    main()
