#!/usr/bin/env python3
"""Makes ONNX networks with f64 reference gradients, from numpy and onnx alone, for the tests of crates/adjoint.

    make_nets.py [--check] [--only NAME ...]      the small networks in crates/adjoint/tests/nets (committed)
    make_nets.py --random N --seed S --out DIR [--only OPERATOR ...]    N random single-operator cases
    make_nets.py --big DIR [--only NAME ...]      networks of published shapes with seeded weights, 1x3x224x224
    make_nets.py --model FILE --out DIR [--span LOW HIGH] [--seed S] [--tap TENSOR]
                                                  a case for any other ONNX file

The format of a case is described in nets/reference.py. `--check` makes the small networks in memory and compares:
models, inputs and cotangents to the byte, outputs and gradients to 1e-9 of the largest value (BLAS differs between
machines). Everything runs on one core.
"""

import argparse
import os
import pathlib
import sys
import time
import zlib

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported

import numpy as np  # noqa: E402

from nets import catalogue, reference  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "crates" / "adjoint" / "tests" / "nets"
REPRODUCED = 1e-9


def small_files(name):
    """File names and bytes of one small network and its cases."""
    net, smooth = catalogue.build(name)
    model = net.model()
    seed = zlib.crc32(name.encode())
    arrays = reference.make_case(model, net.spans, seed, smooth)
    files = {f"{name}.onnx": reference.serialised(model), f"{name}.npz": reference.pack(arrays)}
    for tap in net.taps:
        arrays = reference.make_case(model, net.spans, seed, smooth, wanted=[tap])
        files[f"{name}@{tap}.npz"] = reference.pack(arrays)
    return files


def difference(name, committed, made):
    """What differs between a committed file and the one just made, or None."""
    if committed == made:
        return None
    if name.endswith(".onnx"):
        return "other bytes"
    old, new = reference.unpack(committed), reference.unpack(made)
    if list(old) != list(new):
        return f"arrays {list(old)} instead of {list(new)}"
    for key in old:
        if old[key].shape != new[key].shape or old[key].dtype != new[key].dtype:
            return f"{key}: shape or type"
        if key.startswith(("y", "dx")):
            error = reference.largest([old[key] - new[key]])
            if error > REPRODUCED * max(reference.largest([new[key]]), 1e-30):
                return f"{key} differs by {error:.1e}"
        elif not np.array_equal(old[key], new[key]):
            return f"{key} differs"
    return None


def small(names, checking):
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed, expected = [], set()
    for name in names:
        begun = time.monotonic()
        try:
            files = small_files(name)
        except Exception as error:  # the other networks are still made
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        expected |= set(files)
        for file, data in files.items():
            path = FOLDER / file
            if not checking:
                path.write_bytes(data)
                continue
            problem = difference(file, path.read_bytes(), data) if path.exists() else "missing"
            if problem:
                failed.append(name)
                print(f"{file}: {problem}", flush=True)
        size = sum(map(len, files.values()))
        print(f"{name}: {size} bytes, {time.monotonic() - begun:.1f} s", flush=True)
    if set(names) == set(catalogue.NETWORKS):
        for path in sorted(FOLDER.glob("*.*")):
            if path.suffix in (".onnx", ".npz") and path.name not in expected:
                failed.append(path.name)
                print(f"{path.name}: no network makes this file")
    print(f"{len(names)} networks, {len(failed)} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--random", type=int, metavar="N")
    parser.add_argument("--big", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--model", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--span", type=float, nargs=2, default=(0.0, 1.0))
    parser.add_argument("--tap", metavar="TENSOR", help="with --model: this inner tensor is the output")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.random is not None:
        from nets import random_cases

        return random_cases.write(arguments.out, arguments.random, arguments.seed, arguments.only)
    if arguments.big:
        from nets import big

        return big.write(arguments.big, arguments.only)
    if arguments.model:
        from nets import big

        return big.write_foreign(arguments.model, arguments.out, tuple(arguments.span), arguments.seed, arguments.tap)
    names = [n for n in catalogue.NETWORKS if not arguments.only or n in arguments.only]
    return small(names, arguments.check)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
