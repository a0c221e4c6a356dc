#!/usr/bin/env python3
"""The most exciting images of a mouse's V1: `photic synth` against the usual recipe in torch, in one run, alternating.

    bench_synthesis.py --model FILE.onnx [--units 20] [--steps 100] [--rounds 3] [--photic FILE] [--json FILE]
    bench_synthesis.py --model FILE.onnx --tune          # the sweeps that the settings below come from
    bench_synthesis.py --model FILE.onnx --optimisers    # all of Photic's optimisers in one table

Guards the aim that on units of a real model, under the same constraint and with the same number of steps, the mean
ratio of activations is at least 1.0, in less time. Needs numpy, onnx, onnxruntime and torch (developers' run, not
CI).

The model is any ONNX file of one image and one vector of units that z-scores grey values as `FORM` says; the figures
in docs/synthesis.md are those of the sensorium model. Its graph is written out as plain torch calls, one for each
node, with all constants loaded before; the outputs are compared with onnxruntime's to 1e-4 first.

What is compared:
- Units: those whose rate varies over 200 images of noise (SD above 0.05), shuffled by seed 2026. The first 6 are for
  tuning either side, the next 20 are the test. No unit is left out after a result was seen.
- Constraint: light in 0..1, mean 0.445, SD exactly 0.1, in linear light. Both stimuli are checked, to 1e-3.
- Steps: 100 for either side, a gradient each. Where the last one ends torch asks for the value and Photic for the
  gradient too.
- torch: ascent in pixels from noise of the allowed contrast, projected onto the constraint after each step, the best
  of all steps kept. The gradient may be blurred; the optimiser is normalised ascent, the same with momentum, or
  torch.optim.Adam; the rate may fall to zero. `--tune` sweeps all of that, and both memory formats; the best is
  `TORCH` below.
- Photic: one process per stimulus. `--tune` sweeps parametrisations and rates on the same units; the best is
  `PHOTIC`.
- Judge: onnxruntime, on what either side wrote.
- Time, one thread each, in turns: torch's loop without import, load and warming up; Photic's search as synthesis.json
  states it, and its whole process, from start to files written. Photic is given no warm start.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
FORM = {"mean": 0.445, "sd": 0.235}  # the training set's 113.5 and 60 of 255
MEAN, SD, RANGE = 0.445, 0.1, (0.0, 1.0)
SEED, TUNING, VARIES = 2026, 6, 0.05

# What --tune found best, on the tuning units.
TORCH = {"kind": "momentum", "rate": 0.16, "blur": 0.0, "falls": True}
PHOTIC = """
[parametrisation.pixels]
start_noise = 0.05
[optimiser.adam]
rate = 0.08
half_life = 50
"""


# The model in torch


def attributes(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def symmetric(pads, axes):
    """torch pads both ends alike; a file that does not is refused, not approximated."""
    begin, end = pads[:axes], pads[axes:]
    if list(begin) != list(end):
        raise ValueError(f"asymmetric pads {pads}")
    return tuple(begin)


def call(node, name, known):
    """The torch call of a node, as source. `name` gives an input's variable, `known` a constant's value."""
    a, op, i = attributes(node), node.op_type, node.input
    x = name(i[0])
    if op == "Conv":
        axes = len(a["kernel_shape"])
        bias = name(i[2]) if len(i) > 2 else "None"
        settings = (
            f"{tuple(a.get('strides', [1] * axes))}, {symmetric(a.get('pads', [0] * 2 * axes), axes)}, "
            f"{tuple(a.get('dilations', [1] * axes))}, {a.get('group', 1)}"
        )
        return f"F.conv{axes}d({x}, {name(i[1])}, {bias}, {settings})"
    if op in ("Add", "Mul"):
        return f"{x} {'+' if op == 'Add' else '*'} {name(i[1])}"
    if op == "Elu":
        return f"F.elu({x}, {a.get('alpha', 1.0)})"
    if op == "Relu":
        return f"F.relu({x})"
    if op == "Clip":
        return f"torch.clamp({x}, {float(known(i[1]))}, {float(known(i[2]))})"
    if op == "Reshape":
        return f"{x}.reshape({tuple(int(n) for n in known(i[1]))})"
    if op == "Gather":
        return f"torch.index_select({x}, {a.get('axis', 0)}, {name(i[1])})"
    if op == "ReduceSum":
        return f"torch.sum({x}, {tuple(int(n) for n in known(i[1]))}, {bool(a.get('keepdims', 1))})"
    raise ValueError(f"no torch call for {op}")


def fold(node, known, shapes):
    """Value of a node of the shape arithmetic that exporters leave in a file."""
    a, op = attributes(node), node.op_type
    if op == "Constant":
        return numpy_helper.to_array(a["value"])
    if op == "Shape":
        return np.array(shapes[node.input[0]], np.int64)
    values = [known[name] for name in node.input]
    if op == "Concat":
        return np.concatenate(values, a["axis"])
    if op == "Slice":
        begin, end = int(values[1][0]), int(values[2][0])
        return values[0][begin:end]
    raise ValueError(f"cannot fold {op}")


def in_torch(file):
    """The file's computation as a straight line of torch calls."""
    model = onnx.shape_inference.infer_shapes(onnx.load(file), data_prop=True)
    graph = model.graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in [*graph.value_info, *graph.input]
    }
    known = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    (image,) = (v.name for v in graph.input if v.name not in known)
    scope, names, lines = {"F": torch.nn.functional, "torch": torch}, {image: "x"}, []

    def name(value):
        if value not in names:
            names[value] = f"c{len(names)}"
            scope[names[value]] = torch.from_numpy(known[value].copy())
        return names[value]

    for node in graph.node:
        if node.op_type in ("Constant", "Shape") or all(value in known for value in node.input):
            known[node.output[0]] = fold(node, known, shapes)
            continue
        source = call(node, name, known.__getitem__)
        names[node.output[0]] = f"v{len(names)}"
        lines.append(f"    {names[node.output[0]]} = {source}")
    text = "\n".join(["def forward(x):", *lines, f"    return {names[graph.output[0].name]}"])
    exec(text, scope)
    return scope["forward"], [int(n) for n in shapes[image]]


class Judge:
    """onnxruntime, of one thread: what a unit answers to light."""

    def __init__(self, file):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.image = self.session.get_inputs()[0].name

    def rates(self, light):
        seen = ((light - FORM["mean"]) / FORM["sd"]).astype(np.float32)
        return self.session.run(None, {self.image: seen})[0][0]


def breach(light):
    """By how much light breaks the constraint."""
    light = light.astype(np.float64)
    outside = max(RANGE[0] - light.min(), light.max() - RANGE[1], 0.0)
    return max(outside, abs(light.mean() - MEAN), abs(light.std() - SD))


def pick(judge, shape, count):
    """Units for tuning and for the test, by a rule that was fixed before any stimulus was made."""
    random = np.random.default_rng(SEED)
    noise = random.normal(MEAN, SD, (200, *shape)).clip(*RANGE)
    spread = np.std([judge.rates(image) for image in noise], axis=0)
    units = random.permutation(np.flatnonzero(spread > VARIES))
    return units[:TUNING].tolist(), units[TUNING : TUNING + count].tolist()


# torch's side


def project(x):
    """Onto mean and SD exactly, then into the range; again while that moved something. In place."""
    for _ in range(50):
        sd, mean = torch.std_mean(x, correction=0)
        x.sub_(mean).mul_(SD / sd).add_(MEAN)
        least, greatest = torch.aminmax(x)
        if least >= RANGE[0] and greatest <= RANGE[1]:
            return
        x.clamp_(*RANGE)
        sd, mean = torch.std_mean(x, correction=0)
        if abs(mean - MEAN) < 1e-5 and abs(sd - SD) < 1e-5:
            return


def blurring(sd):
    """A Gaussian blur of a gradient, as one separable convolution; none for 0."""
    if sd == 0.0:
        return lambda gradient: gradient
    radius = math.ceil(3 * sd)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sd) ** 2)
    kernel = kernel / kernel.sum()
    down, across = kernel.reshape(1, 1, -1, 1), kernel.reshape(1, 1, 1, -1)

    def blur(gradient):
        gradient = torch.nn.functional.conv2d(gradient, down, padding=(radius, 0))
        return torch.nn.functional.conv2d(gradient, across, padding=(0, radius))

    return blur


def torch_turn(forward, shape, unit, steps, seed, settings):
    """One most exciting image: the light, and the seconds of the loop."""
    kind, rate, falls = settings["kind"], settings["rate"], settings["falls"]
    blur = blurring(settings["blur"])
    random = torch.Generator().manual_seed(seed)
    begun = time.perf_counter()
    x = torch.randn(shape, generator=random)
    project(x)
    x.requires_grad_(True)
    adam = torch.optim.Adam([x], lr=rate, maximize=True) if kind == "adam" else None
    velocity = torch.zeros_like(x)
    best, most = None, -math.inf
    scale, shift = 1.0 / FORM["sd"], -FORM["mean"] / FORM["sd"]
    for step in range(steps):
        value = forward(x * scale + shift)[0, unit]
        (gradient,) = torch.autograd.grad(value, x)
        with torch.no_grad():
            reached = value.item()
            if reached > most:
                best, most = x.detach().clone(), reached
            gradient = blur(gradient)
            now = rate * (1.0 - step / steps) if falls else rate
            if adam is not None:
                adam.param_groups[0]["lr"] = now
                x.grad = gradient
                adam.step()
            else:
                gradient = gradient / (gradient.square().mean().sqrt() + 1e-12)
                velocity = gradient if kind == "ascent" else velocity.mul_(0.9).add_(gradient, alpha=0.1)
                x.add_(velocity, alpha=now)
            project(x)
    with torch.no_grad():
        if forward(x * scale + shift)[0, unit].item() > most:
            best = x.detach().clone()
    return best.numpy(), time.perf_counter() - begun


# Photic's side


def specification(model, shape, unit, steps, seed, how):
    return f"""
[synth]
name = "unit-{unit}"
description = "Most exciting image of unit {unit}"
seed = {seed}
[stimulus]
count = 1
width_px = {shape[3]}
height_px = {shape[2]}
width_deg = {2.0 * shape[3]}
colour = "grey"
[model.mouse.file]
path = {json.dumps(str(model))}
layout = "nchw"
transfer = "linear"
mean = [{FORM["mean"]}]
sd = [{FORM["sd"]}]
bgr = false
[constraint]
range = [{RANGE[0]}, {RANGE[1]}]
mean = {MEAN}
contrast = {{ sd_exactly = {SD} }}
[[objective]]
weight = 1.0
unit = {{ model = "mouse", tap = "rate", units = [[{unit}]] }}
[budget]
steps = {steps}
[output.srgb]
bits = 8
{how}"""


def photic_turn(options, shape, unit, steps, seed, how):
    """One stimulus by one process: the light, what synthesis.json says, and the seconds of the process."""
    with tempfile.TemporaryDirectory() as folder:
        spec, out = pathlib.Path(folder) / "spec.toml", pathlib.Path(folder) / "out"
        spec.write_text(specification(options.model, shape, unit, steps, seed, how))
        command = [str(options.photic), "synth", str(spec), "--out", str(out), "--threads", "1"]
        begun = time.perf_counter()
        result = subprocess.run(command, capture_output=True, text=True, timeout=3600)
        whole = time.perf_counter() - begun
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: code {result.returncode}\n{result.stderr.strip()[-2000:]}")
        light = np.load(out / "stimuli.npy").reshape(shape)
        return light, json.loads((out / "synthesis.json").read_text()), whole


# Tuning


def torch_choices():
    for kind, rates in (
        ("adam", (0.003, 0.01, 0.02, 0.04, 0.08)),
        ("ascent", (0.01, 0.02, 0.04, 0.08, 0.16)),
        ("momentum", (0.02, 0.04, 0.08, 0.16, 0.32)),
    ):
        for rate in rates:
            for blur in (0.0, 1.0):
                for falls in (False, True):
                    yield {"kind": kind, "rate": rate, "blur": blur, "falls": falls}


def photic_choices():
    for rate in (0.01, 0.02, 0.04, 0.08, 0.16):
        for half_life in (0, 25, 50):
            yield (
                "[parametrisation.pixels]\nstart_noise = 0.05\n"
                f"[optimiser.adam]\nrate = {rate}\nhalf_life = {half_life}\n"
            )
    for exponent in (0.5, 1.0):
        for rate in (0.02, 0.05, 0.1, 0.2):
            for half_life in (0, 50):
                yield (
                    f"[parametrisation.fourier]\nexponent = {exponent}\nstart_noise = 0.05\n"
                    f"[optimiser.adam]\nrate = {rate}\nhalf_life = {half_life}\n"
                )


def tune(options, forward, shape, judge, units):
    """Mean over the tuning units of a choice's activation relative to the best of all choices of either side."""
    found = []
    for side, choices in (("torch", torch_choices()), ("photic", photic_choices())):
        for choice in choices:
            rates = []
            for unit in units:
                if side == "torch":
                    light, _ = torch_turn(forward, shape, unit, options.steps, options.seed, choice)
                else:
                    light, _, _ = photic_turn(options, shape, unit, options.steps, options.seed, choice)
                rates.append(float(judge.rates(light)[unit]))
            found.append((side, choice, rates))
    best = np.max([rates for _, _, rates in found], axis=0)
    print("| side | settings | mean of rate / best of all |\n|---|---|---|")
    for side, choice, rates in sorted(found, key=lambda row: -np.mean(np.array(row[2]) / best)):
        text = json.dumps(choice) if side == "torch" else " ".join(choice.split())
        print(f"| {side} | {text} | {np.mean(np.array(rates) / best):.4f} |", flush=True)
    for text, layout in (("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)):
        seconds = []
        for _ in range(30):
            begun = time.perf_counter()
            y = torch.zeros(shape).contiguous(memory_format=layout).requires_grad_(True)
            torch.autograd.grad(forward(y)[0, 0], y)
            seconds.append(time.perf_counter() - begun)
        print(f"torch, {text}: {1e3 * statistics.median(seconds):.2f} ms for value and gradient")


# The comparison


def compare(options, forward, shape, judge, units):
    heads = "| unit | torch rate | Photic rate | ratio | torch ms | Photic search ms | Photic process ms |\n"
    print(heads + "|---" * 7 + "|")
    torch_turn(forward, shape, units[0], 5, 0, TORCH)  # warms up
    rows = []
    for turn, unit in enumerate(units):
        times = {"torch": [], "search": [], "process": []}
        for round_ in range(options.rounds):
            for side in ("torch", "photic") if (turn + round_) % 2 == 0 else ("photic", "torch"):
                if side == "torch":
                    theirs, seconds = torch_turn(forward, shape, unit, options.steps, options.seed, TORCH)
                    times["torch"].append(1e3 * seconds)
                else:
                    ours, report, seconds = photic_turn(options, shape, unit, options.steps, options.seed, PHOTIC)
                    times["search"].append(1e3 * report["elapsed_s"])
                    times["process"].append(1e3 * seconds)
        for side, light in (("torch", theirs), ("photic", ours)):
            if breach(light) > 1e-3:
                raise RuntimeError(f"unit {unit}: {side} breaks the constraint by {breach(light):.2e}")
        a, b = float(judge.rates(theirs)[unit]), float(judge.rates(ours)[unit])
        row = {"unit": unit, "torch": a, "photic": b, "ratio": b / a, "evaluations": report["evaluations"]}
        row |= {f"{side}_ms": statistics.median(times[side]) for side in times}
        for side in ("search", "process"):
            row[f"{side}_over_torch"] = statistics.median(np.divide(times[side], times["torch"]))
        rows.append(row)
        print(
            f"| {unit} | {a:.3f} | {b:.3f} | {b / a:.4f} | {row['torch_ms']:.0f} | {row['search_ms']:.0f} "
            f"| {row['process_ms']:.0f} |",
            flush=True,
        )
    ratios = [row["ratio"] for row in rows]
    print(
        f"\n{len(rows)} units, {options.steps} steps: ratio of activations mean {np.mean(ratios):.4f}, median "
        f"{np.median(ratios):.4f}, least {min(ratios):.4f}, greatest {max(ratios):.4f}; Photic higher on "
        f"{sum(r > 1 for r in ratios)}"
    )
    for side, words in (("search", "search"), ("process", "whole process")):
        spread = [row[f"{side}_over_torch"] for row in rows]
        print(f"time, {words} / torch's loop: median {np.median(spread):.3f} ({min(spread):.3f} to {max(spread):.3f})")
    return rows


# All optimisers


# Populations and rates are those that suit the dimensions: 8 numbers for a Gabor, 2304 for pixels and coefficients.
SPACES = {
    "gabors": "[parametrisation.gabors]\ncount = 1\nstart_contrast = 0.3\n",
    "pixels": "[parametrisation.pixels]\nstart_noise = 0.05\n",
    "fourier": "[parametrisation.fourier]\nexponent = 0.5\nstart_noise = 0.05\n",
}
OPTIMISERS = {
    "adam": {"gabors": "rate = 0.1", "pixels": "rate = 0.02", "fourier": "rate = 0.05"},
    "lbfgs": {space: "memory = 10" for space in SPACES},
    "projected_gradient": {space: 'rule = "spectral"\nstep = 0.1' for space in SPACES},
    "cma_es": {"gabors": "sigma = 0.5", "pixels": "sigma = 0.05", "fourier": "sigma = 0.05"},
    "genetic": {
        "gabors": "population = 20\nelite = 4\nspread = 0.5",
        "pixels": "population = 20\nelite = 4\nspread = 0.05",
        "fourier": "population = 20\nelite = 4\nspread = 0.05",
    },
    "bayesian": {"gabors": ""},
}


def all_optimisers(options, shape, units):
    """Best values and evaluations at equal budgets, from the trajectories."""
    runs = []
    for space, parametrisation in SPACES.items():
        for name, settings in OPTIMISERS.items():
            if space not in settings:
                continue
            how = f"{parametrisation}[optimiser.{name}]\n{settings[space]}\n"
            per_unit = []
            for unit in units:
                steps = options.evaluations if name != "genetic" else math.ceil(options.evaluations / 20)
                steps = math.ceil(options.evaluations / 10) if name == "cma_es" else steps
                _, report, _ = photic_turn(options, shape, unit, steps, options.seed, how)
                way = [p for p in report["trajectory"] if p["evaluations"] <= options.evaluations]
                used = way[-1]["evaluations"] / report["evaluations"]
                per_unit.append((way, 1e3 * report["elapsed_s"] * used))
            runs.append((space, name, report["optimiser"]["class"], per_unit))
    best = [max(run[3][k][0][-1]["best"] for run in runs) for k in range(len(units))]
    within = {
        space: [max(run[3][k][0][-1]["best"] for run in runs if run[0] == space) for k in range(len(units))]
        for space in SPACES
    }

    def until(per_unit, marks):
        """Median evaluations to 90 % of the marks, and how many units came so far."""
        reached = [
            next((p["evaluations"] for p in way if p["best"] >= 0.9 * mark), None)
            for (way, _), mark in zip(per_unit, marks)
        ]
        reached = [n for n in reached if n is not None]
        return reached, f"{statistics.median(reached):.0f} ({len(reached)} of {len(marks)})" if reached else "never"

    print(
        "| searched | optimiser | evaluations are | best / best of all, median (least) "
        "| evaluations to 90 % of the best of all | to 90 % of the best in this space | ms |\n" + "|---" * 7 + "|"
    )
    rows = []
    for space, name, kind, per_unit in runs:
        shares = [way[-1]["best"] / mark for (way, _), mark in zip(per_unit, best)]
        (of_all, of_all_text), (of_space, of_space_text) = until(per_unit, best), until(per_unit, within[space])
        ms = statistics.median(ms for _, ms in per_unit)
        what = "gradients" if kind == "gradient" else "values"
        print(
            f"| {space} | {name} | {what} | {statistics.median(shares):.3f} ({min(shares):.3f}) | {of_all_text} "
            f"| {of_space_text} | {ms:.0f} |",
            flush=True,
        )
        rows.append({"space": space, "optimiser": name, "class": kind, "shares": shares, "to_90_of_all": of_all,
                     "to_90_of_space": of_space, "ms": ms})  # fmt: skip
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="ONNX file: one grey image -> rates of units")
    parser.add_argument("--units", type=int, default=20, help="units of the test (--optimisers: 5)")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side per unit")
    parser.add_argument("--seed", type=int, default=1, help="of the starts")
    parser.add_argument("--evaluations", type=int, default=300, help="--optimisers: budget of each run")
    parser.add_argument("--photic", type=pathlib.Path, default=HERE.parent / "target" / "release" / "photic")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--optimisers", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, help="also write every number to this file")
    options = parser.parse_args()
    options.photic, options.model = options.photic.resolve(), options.model.resolve()
    if not options.photic.exists():
        parser.error(f"{options.photic} is missing: cargo build --release, or --photic FILE")
    torch.set_num_threads(1)
    judge = Judge(options.model)
    forward, shape = in_torch(options.model)
    tuning, units = pick(judge, shape, options.units)
    light = np.random.default_rng(0).uniform(0, 1, shape)
    with torch.no_grad():
        mine = forward(torch.from_numpy(((light - FORM["mean"]) / FORM["sd"]).astype(np.float32)))[0].numpy()
    apart = np.abs(mine - judge.rates(light)).max() / np.abs(mine).max()
    if apart > 1e-4:
        raise RuntimeError(f"torch and onnxruntime differ by {apart:.1e}")
    versions = f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
    print(f"{versions}, apart by {apart:.1e}; {os.cpu_count()} cores\n")
    print(f"tuning units {tuning}; test units {units}\n", flush=True)
    if options.tune:
        return tune(options, forward, shape, judge, tuning)
    if options.optimisers:
        rows = all_optimisers(options, shape, units[: min(options.units, 5)])
    else:
        rows = compare(options, forward, shape, judge, units)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
