#!/usr/bin/env python3
"""An amplifier by the reference binding (pylsl): noise in real time until it is killed, with the faults that one asks for.

Environment: LSLAPICFG names liblsl's configuration. Prints `ready` when the outlet stands; ends by itself after
--seconds, so that a test that dies leaves nothing behind.
"""

import argparse
import math
import random
import time

import pylsl


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="amp")
    parser.add_argument("--type", default="EEG")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--rate", type=float, default=250.0, help="what the outlet says")
    parser.add_argument("--unit", default="microvolts")
    parser.add_argument("--nan-every", type=int, default=0, help="every N-th sample has a NaN in its second channel")
    parser.add_argument("--flat", type=int, default=-1, help="this channel never changes")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    labels = options.labels.split(",")
    info = pylsl.StreamInfo(options.name, options.type, len(labels), options.rate, "float32", options.name + "-source")
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", options.unit)
    outlet = pylsl.StreamOutlet(info, 8)
    print("ready", flush=True)
    dice = random.Random(7)
    period = 1.0 / options.rate
    start = pylsl.local_clock()
    sent = 0
    while sent * period < options.seconds:
        chunk, stamps = [], []
        for _ in range(8):
            stamp = start + sent * period
            sample = [dice.gauss(0.0, 8.0) + 5.0 * math.sin(2 * math.pi * 10.0 * stamp) for _ in labels]
            if options.nan_every and sent % options.nan_every == 0:
                sample[1] = math.nan
            if 0 <= options.flat < len(sample):
                sample[options.flat] = 0.0
            chunk.append(sample)
            stamps.append(stamp)
            sent += 1
        time.sleep(max(0.0, stamps[-1] - pylsl.local_clock()))
        outlet.push_chunk(chunk, stamps)


if __name__ == "__main__":
    main()
