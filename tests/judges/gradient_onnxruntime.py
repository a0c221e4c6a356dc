"""Judge: onnxruntime computes from x0.. the same y0.. as the case files of a folder hold.

Usage: gradient_onnxruntime.py FOLDER

For developers (onnxruntime is not in scripts/judges.txt): it checks the few operators that the reference evaluator of
the onnx package computes wrongly or lacks. Cases are NAME.onnx and NAME.npz as scripts/make_nets.py writes them. Prints
one line for each file that differs or cannot be run, then a count; exits 1 when any differs.
"""

import pathlib
import sys

import numpy
import onnx
import onnxruntime

TOLERANCE = {numpy.dtype("float32"): 1e-5, numpy.dtype("float16"): 5e-3}


def relative_error(path):
    """The largest difference over the outputs, relative to the largest value, and the input type."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    case = numpy.load(path.with_suffix(".npz"))
    half = any(i.type == "tensor(float16)" for i in session.get_inputs())
    kind = numpy.dtype("float16" if half else "float32")
    feeds = {i.name: case[f"x{n}"].astype(kind) for n, i in enumerate(session.get_inputs())}
    worst = 0.0
    for n, theirs in enumerate(session.run(None, feeds)):
        ours = case[f"y{n}"]
        if ours.shape != theirs.shape:
            return float("inf"), kind
        worst = max(worst, float(numpy.abs(ours - theirs).max() / max(numpy.abs(ours).max(), 1e-30)))
    return worst, kind


def main(folder):
    onnxruntime.set_default_logger_severity(4)
    differing = refused = checked = 0
    for path in sorted(pathlib.Path(folder).glob("*.onnx")):
        operators = sorted({node.op_type for node in onnx.load(path).graph.node})
        try:
            error, kind = relative_error(path)
        except Exception as problem:  # onnxruntime lacks the operator, type or operator set
            refused += 1
            print(f"{path.name}: not run ({str(problem).splitlines()[0][:110]})")
            continue
        checked += 1
        if not error <= TOLERANCE[kind]:
            differing += 1
            print(f"{path.name}: relative error {error:.1e} ({' '.join(operators)})")
    print(f"{checked} compared, {differing} differ, {refused} not run")
    return differing


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
