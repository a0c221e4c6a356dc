#!/usr/bin/env python3
"""The other end of an LSL stream, by the reference binding (pylsl), for tests of Photic's own.

    lsl_peer.py outlet --config FILE --name N --type T --format F --channels C --rate HZ --count K --chunk M [--paced]
    lsl_peer.py inlet  --config FILE --name N --format F --count K

FILE is liblsl's configuration, with the session id of the test. Both ends print one line per sample that they sent
or received: the stamp and the values, numbers as the 16 hexadecimal digits of their double, texts as `x` and the
hexadecimal digits of their UTF-8. `outlet` prints `ready` first, then waits for a reader. Every wait has a deadline.
"""

import argparse
import math
import os
import struct
import sys
import time

DEADLINE_S = 20.0
TEXTS = ["cue_rest", "", "13 Hz", "Gr\u00fc\u00dfe \U0001f9e0", "<a & 'b' \"c\">", "x" * 5000, " spaces ", "line\nbreak"]
LIMITS = {"int8": 2**7, "int16": 2**15, "int32": 2**31, "int64": 2**53}


def hex_double(value):
    return struct.pack(">d", float(value)).hex()


def shown(value):
    return "x" + value.encode().hex() if isinstance(value, str) else hex_double(value)


def line(stamp, sample):
    print(" ".join([hex_double(stamp), *map(shown, sample)]), flush=False)


def value(form, index, channel):
    """Values that use all bits of the format, its ends included."""
    if form == "string":
        return TEXTS[index % len(TEXTS)]
    if form in LIMITS:
        limit = LIMITS[form]
        spread = (index * 2654435761 + channel * 40503) % (2 * limit) - limit
        return {0: -limit, 1: limit - 1}.get(index, spread)
    number = math.sin(index * 0.37 + channel) * 10.0 ** (index % 9 - 4)
    number = {2: math.inf, 3: -0.0, 4: math.nan}.get(index, number)
    return struct.unpack("f", struct.pack("f", number))[0] if form == "float32" else number


def outlet(pylsl, options):
    info = pylsl.StreamInfo(
        options.name, options.type, options.channels, options.rate, options.format, options.name + "-source"
    )
    if options.labels:
        channels = info.desc().append_child("channels")
        for label in options.labels.split(","):
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "microvolts")
    end = pylsl.StreamOutlet(info)
    print("ready", flush=True)
    if not end.wait_for_consumers(DEADLINE_S):
        sys.exit("lsl_peer: nobody read within the deadline")
    period = 1.0 / options.rate if options.rate else 0.0123
    start = pylsl.local_clock()
    for first in range(0, options.count, options.chunk):
        indices = range(first, min(first + options.chunk, options.count))
        stamps = [start + i * period * (1 + 1e-7 * i) for i in indices]
        samples = [[value(options.format, i, c) for c in range(options.channels)] for i in indices]
        if options.format == "string":
            for stamp, sample in zip(stamps, samples):
                end.push_sample(sample, stamp)
        else:
            end.push_chunk(samples, stamps)
        for stamp, sample in zip(stamps, samples):
            line(stamp, sample)
        if options.paced:
            sys.stdout.flush()
            time.sleep(period * len(indices))
    sys.stdout.flush()
    # The outlet must live until the last sample is read; the test closes our input when it has it.
    if not options.paced:
        sys.stdin.read()


def inlet(pylsl, options):
    found = pylsl.resolve_byprop("name", options.name, 1, DEADLINE_S)
    if not found:
        sys.exit("lsl_peer: no such stream within the deadline")
    end = pylsl.StreamInlet(found[0])
    info = end.info(DEADLINE_S)
    end.open_stream(DEADLINE_S)
    print("ready", flush=True)
    give_up = time.monotonic() + DEADLINE_S
    count = 0
    while count < options.count:
        sample, stamp = end.pull_sample(0.2)
        if stamp:
            line(stamp, sample)
            count += 1
        elif time.monotonic() > give_up:
            sys.exit(f"lsl_peer: {count} of {options.count} samples within the deadline")
    channel = info.desc().child("channels").child("channel")
    labels = []
    while not channel.empty():
        labels.append(channel.child_value("label"))
        channel = channel.next_sibling("channel")
    print("labels", ",".join(labels), info.desc().child_value("photic_speed"))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("end", choices=["outlet", "inlet"])
    parser.add_argument("--config", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--type", default="EEG")
    parser.add_argument("--format", default="float32")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--labels", default="")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--chunk", type=int, default=1)
    parser.add_argument("--paced", action="store_true", help="send at the rate, for as long as --count says")
    options = parser.parse_args()
    os.environ["LSLAPICFG"] = options.config
    import pylsl  # reads the configuration when it is loaded

    {"outlet": outlet, "inlet": inlet}[options.end](pylsl, options)


if __name__ == "__main__":
    main()
