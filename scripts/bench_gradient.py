#!/usr/bin/env python3
"""Forward + input gradient at 1x3x224x224: Photic against torch (and onnxruntime's forward), in one run, alternating.

    bench_gradient.py [--networks NAME ...] [--threads 1 2] [--rounds 7] [--turn 1.5] [--folder DIR] [--photic FILE]

Guards: the ratios to torch and the peak memory that the crate `adjoint` promises. Needs numpy, onnx and torch, and
onnxruntime for the last column when it is there (developers' run, not CI). The networks are those of
`make_nets.py --big`; they are made in --folder when they are missing.

How it alternates: for each network and thread count the sides take turns, round after round (A B C A B C ...), so that
what else happens on the machine hits all of them. torch and onnxruntime are resident children that sleep on a pipe
between their turns (importing torch for each turn would take longer than the turn). Photic is one short process for
each turn, because its command measures inside one process:

    photic gradient MODEL --input x.npy --cotangent gy.npy --out dx.npy --repeat N --threads T --json

whose JSON on stdout holds at least `forward_ms: {median, min, max}`, `step_ms: {median, min, max}` (forward and
gradient) and `peak_memory_above_baseline_bytes`. The ratio in the table is the median over rounds of (Photic's median
step / torch's median step of the same round); milliseconds are medians over rounds of medians.

torch runs eagerly, batch norms in evaluation mode, weights without gradients; a step is the forward pass and
torch.autograd.grad of the image. Its weights are those of the ONNX file (for resnet18 those before the batch norms
were folded, as an exporter folds them). Its memory is the peak resident size above the one after `import torch` and a
first small convolution. The dx errors are against torch in f64, as a part of its largest |dx|; on networks with relu
and max pooling single pixels may lie on the other side of a kink, so the cosine counts too.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
GOALS = {"vone_block": 0.5, "resnet18": 0.9, "alexnet": 1.0, "vit_tiny": 1.0, "vit_tiny_4": 1.0, "cornet_s": 1.0}
NETWORKS = ("resnet18", "alexnet", "vone_block", "cornet_s", "vit_tiny", "vit_tiny_4", "convnext_tiny")
WEIGHTS_FROM = {"resnet18": "resnet18_bn"}
FEWEST, MOST = 3, 60


# Children


def resident_bytes(field):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def reset_peak():
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # then the peak includes the import, which is smaller than the networks


def answer(respond):
    """Runs turns as they are asked for: one JSON object per line in, one out."""
    for line in sys.stdin:
        print(json.dumps(respond(json.loads(line))), flush=True)


def torch_child(name, folder, threads, dtype_name):
    import torch

    torch.set_num_threads(threads)
    torch.nn.functional.conv2d(torch.zeros(1, 3, 32, 32), torch.zeros(8, 3, 3, 3))  # the library's own buffers
    from nets import torch_networks

    baseline = resident_bytes("VmRSS")
    reset_peak()
    dtype = getattr(torch, dtype_name)
    network = torch_networks.load(name, torch.load(folder / "weights.pt", weights_only=True), dtype)
    x = torch.from_numpy(np.load(folder / "x.npy")).to(dtype).requires_grad_(True)
    cotangent = torch.from_numpy(np.load(folder / "gy.npy")).to(dtype)

    def respond(request):
        forward, step = [], []
        for _ in range(request["repeat"] + request.get("warm", 0)):
            begun = time.perf_counter()
            y = network(x)
            middle = time.perf_counter()
            (dx,) = torch.autograd.grad(y, x, cotangent)
            ended = time.perf_counter()
            forward.append((middle - begun) * 1e3)
            step.append((ended - begun) * 1e3)
            del y
        if "out" in request:
            np.save(request["out"], dx.numpy())
        kept = slice(request.get("warm", 0), None)
        return {
            "forward_ms": statistics.median(forward[kept]),
            "step_ms": statistics.median(step[kept]),
            "memory": resident_bytes("VmHWM") - baseline,
        }

    answer(respond)


def onnxruntime_child(model, folder, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0" if threads == 1 else "1")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: np.load(folder / "x.npy")}

    def respond(request):
        forward = []
        for _ in range(request["repeat"] + request.get("warm", 0)):
            begun = time.perf_counter()
            session.run(None, feeds)
            forward.append((time.perf_counter() - begun) * 1e3)
        return {"forward_ms": statistics.median(forward[request.get("warm", 0) :])}

    answer(respond)


class Child:
    """A resident child that sleeps until it is asked."""

    def __init__(self, threads, *arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--child", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=HERE
        )

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the child ended with code {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


# One network


def prepare(name, folder, scratch):
    """x.npy, gy.npy and torch's weights.pt in `scratch`."""
    import onnx
    import torch
    from onnx import numpy_helper

    case = np.load(folder / f"{name}.npz")
    np.save(scratch / "x.npy", case["x0"])
    np.save(scratch / "gy.npy", case["g0"])
    model = onnx.load(folder / f"{WEIGHTS_FROM.get(name, name)}.onnx")
    state = {}
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name.endswith(".weight.T"):
            state[tensor.name[:-2]] = torch.from_numpy(np.ascontiguousarray(array.T))
        elif "." in tensor.name or tensor.name in ("cls_token", "pos_embed"):
            state[tensor.name] = torch.from_numpy(array.copy())
    torch.save(state, scratch / "weights.pt")
    return case["dx0"]


def photic_turn(photic, model, scratch, repeat, threads):
    command = [str(photic), "gradient", str(model), "--input", str(scratch / "x.npy")]
    command += ["--cotangent", str(scratch / "gy.npy"), "--out", str(scratch / "dx.npy")]
    command += ["--repeat", str(repeat), "--threads", str(threads), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: code {result.returncode}\n{result.stderr.strip()[-2000:]}")
    report = json.loads(result.stdout)
    return {
        "forward_ms": report["forward_ms"]["median"],
        "step_ms": report["step_ms"]["median"],
        "memory": report["peak_memory_above_baseline_bytes"],
    }


def accuracy(found, reference):
    """Largest error as a part of the largest value, and one minus the cosine."""
    found, reference = found.astype(np.float64).ravel(), reference.ravel()
    cosine = found @ reference / max(np.linalg.norm(found) * np.linalg.norm(reference), 1e-300)
    return np.abs(found - reference).max() / np.abs(reference).max(), 1 - cosine


def double_gradient(name, scratch):
    child = Child(2, "torch", name, scratch, 2, "float64")
    child.ask(repeat=1, out=str(scratch / "dx64.npy"))
    child.close()
    return np.load(scratch / "dx64.npy")


def measure(name, threads, options, scratch, reference):
    """The rounds of one network and thread count, as one row of results."""
    model = options.folder / f"{name}.onnx"
    sides = {"torch": Child(threads, "torch", name, scratch, threads, "float32")}
    if options.onnxruntime:
        sides["onnxruntime"] = Child(threads, "onnxruntime", model, scratch, threads)
    first = sides["torch"].ask(repeat=2, warm=2)
    repeat = min(max(round(options.turn * 1e3 / first["step_ms"]), FEWEST), MOST)
    rounds = []
    for _ in range(options.rounds):
        row = {}
        if options.photic:
            row["photic"] = photic_turn(options.photic, model, scratch, repeat, threads)
        for side, child in sides.items():
            out = {"out": str(scratch / "dx32.npy")} if side == "torch" else {}
            row[side] = child.ask(repeat=repeat, warm=2, **out)
        rounds.append(row)
    for child in sides.values():
        child.close()

    def median(side, field):
        return statistics.median(row[side][field] for row in rounds) if side in rounds[0] else None

    result = {"network": name, "threads": threads, "repeat": repeat, "rounds": options.rounds, "goal": GOALS.get(name)}
    for side in ("photic", "torch", "onnxruntime"):
        result[f"{side}_forward_ms"] = median(side, "forward_ms")
    for side in ("photic", "torch"):
        result[f"{side}_step_ms"] = median(side, "step_ms")
        result[f"{side}_memory"] = max(row[side]["memory"] for row in rounds) if side in rounds[0] else None
    result["torch_error"] = accuracy(np.load(scratch / "dx32.npy"), reference)
    if options.photic:
        ratios = [row["photic"]["step_ms"] / row["torch"]["step_ms"] for row in rounds]
        result["ratio"], result["ratio_spread"] = statistics.median(ratios), (min(ratios), max(ratios))
        result["photic_error"] = accuracy(np.load(scratch / "dx.npy"), reference)
    return result


def table_row(r):
    def number(value, form="{:.1f}"):
        return "–" if value is None else form.format(value)

    def megabytes(value):
        return number(None if value is None else value / 1e6, "{:.0f}")

    def error(pair):
        return "–" if pair is None else f"{pair[0]:.0e}, {abs(pair[1]):.0e}"

    ratio = "–"
    if r.get("ratio") is not None:
        ratio = f"**{r['ratio']:.2f}** ({r['ratio_spread'][0]:.2f}–{r['ratio_spread'][1]:.2f})"
    cells = [
        r["network"], str(r["threads"]), number(r["photic_step_ms"]), number(r["torch_step_ms"]), ratio,
        number(r["goal"], "{:.2f}"), number(r["photic_forward_ms"]), number(r["torch_forward_ms"]),
        number(r["onnxruntime_forward_ms"]), megabytes(r["photic_memory"]), megabytes(r["torch_memory"]),
        error(r.get("photic_error")), error(r["torch_error"]),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


HEADER = (
    "| network | threads | ours ms | torch ms | ratio (spread) | goal | ours fwd ms | torch fwd ms "
    "| onnxruntime fwd ms | ours MB | torch MB | ours dx error, 1 - cos | torch f32 dx error, 1 - cos |\n"
    + "|---" * 13
    + "|"
)


def run(options):
    missing = [
        n for n in options.networks for m in (n, WEIGHTS_FROM.get(n, n)) if not (options.folder / f"{m}.npz").exists()
    ]
    if missing:
        names = sorted({*missing, *(WEIGHTS_FROM.get(n, n) for n in missing)})
        make = [sys.executable, str(HERE / "make_nets.py"), "--big", str(options.folder), "--only", *names]
        subprocess.run(make, check=True, stdout=sys.stderr)
    print(HEADER, flush=True)
    results = []
    for name in options.networks:
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            from_numpy = prepare(name, options.folder, scratch)
            reference = double_gradient(name, scratch)
            apart = accuracy(from_numpy, reference)
            for threads in options.threads:
                results.append(measure(name, threads, options, scratch, reference))
                results[-1]["numpy_against_torch_f64"] = apart
                print(table_row(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def main():
    if sys.argv[1:2] == ["--child"]:
        kind, name, folder, threads, *rest = sys.argv[2:]
        if kind == "torch":
            return torch_child(name, pathlib.Path(folder), int(threads), *rest)
        return onnxruntime_child(name, pathlib.Path(folder), int(threads))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turn", type=float, default=1.5, help="about how many seconds of steps one turn has")
    parser.add_argument("--folder", type=pathlib.Path, default=HERE.parent / "target" / "gradient-bench")
    parser.add_argument("--photic", type=pathlib.Path, default=HERE.parent / "target" / "release" / "photic")
    parser.add_argument("--without-photic", action="store_true", help="torch and onnxruntime alone")
    parser.add_argument("--json", type=pathlib.Path, help="also write every number to this file")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    options.photic = None if options.without_photic else options.photic.resolve()
    if options.photic and not options.photic.exists():
        parser.error(f"{options.photic} is missing: cargo build --release, or --photic FILE")
    try:
        import onnxruntime  # noqa: F401

        options.onnxruntime = True
    except ImportError:
        options.onnxruntime = False
    run(options)


if __name__ == "__main__":
    main()
