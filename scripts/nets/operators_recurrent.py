"""RNN, GRU, LSTM, Scan, Loop and If of the f64 judge, unrolled; see reverse.py."""

import numpy as np

from . import tape
from .reverse import integers, operator
from .tape import val


def _activation(name, alpha, beta):
    affine = (1.0 if alpha is None else alpha, 0.0 if beta is None else beta)
    table = {
        "relu": tape.relu,
        "tanh": tape.tanh,
        "sigmoid": tape.sigmoid,
        "affine": lambda x: tape.add(tape.mul(x, affine[0]), affine[1]),
        "softplus": lambda x: tape.unary(x, lambda v: np.logaddexp(0, v), lambda v, y: 1 / (1 + np.exp(-v))),
        "softsign": lambda x: tape.unary(x, lambda v: v / (1 + np.abs(v)), lambda v, y: 1 / (1 + np.abs(v)) ** 2),
    }
    return table[name.lower()]


def _activations(node, direction, default):
    count = len(default)
    names = node.get("activations") or default * 2
    alphas, betas = node.get("activation_alpha") or [], node.get("activation_beta") or []
    chosen = []
    for i in range(direction * count, (direction + 1) * count):
        chosen.append(_activation(names[i], *(list[i] if i < len(list) else None for list in (alphas, betas))))
    return chosen


def _clipped(node, x):
    bound = node.get("clip")
    if not bound:
        return x
    for edge in (bound, -bound):
        tape.note_kink(x, val(x) - edge)
    return tape.unary(x, lambda v: np.clip(v, -bound, bound), lambda v, y: np.abs(v) <= bound)


def _gates(x, count):
    hidden = val(x).shape[-1] // count
    return [tape.index(x, (..., slice(i * hidden, (i + 1) * hidden))) for i in range(count)]


def _product(x, weight):
    return tape.matmul(x, tape.transpose(weight, (1, 0)))


def _rnn_step(node, functions, weights, x, h, c):
    w, r, wb, rb, _ = weights
    total = tape.add(tape.add(_product(x, w), _product(h, r)), tape.add(wb, rb))
    return functions[0](_clipped(node, total)), c


def _gru_step(node, functions, weights, x, h, c):
    w, r, wb, rb, _ = weights
    wz, wr, wh = _gates(tape.add(_product(x, w), wb), 3)
    matrices = [tape.index(r, slice(i * val(h).shape[-1], (i + 1) * val(h).shape[-1])) for i in range(3)]
    biases = _gates(rb, 3)
    z = functions[0](_clipped(node, tape.add(wz, tape.add(_product(h, matrices[0]), biases[0]))))
    reset = functions[0](_clipped(node, tape.add(wr, tape.add(_product(h, matrices[1]), biases[1]))))
    if node.get("linear_before_reset", 0):
        inner = tape.mul(reset, tape.add(_product(h, matrices[2]), biases[2]))
    else:
        inner = tape.add(_product(tape.mul(reset, h), matrices[2]), biases[2])
    candidate = functions[1](_clipped(node, tape.add(wh, inner)))
    return tape.add(tape.mul(tape.sub(1.0, z), candidate), tape.mul(z, h)), c


def _lstm_step(node, functions, weights, x, h, c):
    w, r, wb, rb, peepholes = weights
    total = tape.add(tape.add(_product(x, w), _product(h, r)), tape.add(wb, rb))
    i, o, f, g = _gates(total, 4)
    if peepholes is not None:
        pi, po, pf = _gates(peepholes, 3)
        i, f = tape.add(i, tape.mul(pi, c)), tape.add(f, tape.mul(pf, c))
    i, f = functions[0](_clipped(node, i)), functions[0](_clipped(node, f))
    if node.get("input_forget", 0):
        f = tape.sub(1.0, i)
    new = tape.add(tape.mul(f, c), tape.mul(i, functions[1](_clipped(node, g))))
    o = tape.add(o, tape.mul(po, new)) if peepholes is not None else o
    return tape.mul(functions[0](_clipped(node, o)), functions[2](new)), new


CELLS = {
    "RNN": (1, ["Tanh"], _rnn_step),
    "GRU": (3, ["Sigmoid", "Tanh"], _gru_step),
    "LSTM": (4, ["Sigmoid", "Tanh", "Tanh"], _lstm_step),
}


@operator("RNN", "GRU", "LSTM")
def recurrent(node, x, w, r, bias=None, lengths=None, h0=None, c0=None, peepholes=None):
    gates, default, step = CELLS[node.kind]
    if node.get("layout", 0):
        x = tape.transpose(x, (1, 0, 2))
        h0, c0 = (s if s is None else tape.transpose(s, (1, 0, 2)) for s in (h0, c0))
    steps, batch = val(x).shape[:2]
    directions, hidden = val(r).shape[0], val(r).shape[2]
    lengths = [steps] * batch if lengths is None else integers(lengths)
    zeros = np.zeros((directions, batch, hidden))
    h0, c0 = (zeros if s is None else s for s in (h0, c0))
    bias = np.zeros((directions, 2 * gates * hidden)) if bias is None else bias

    outputs, last_h, last_c = [], [], []
    for d in range(directions):
        backward = d == 1 or node.get("direction", "forward") == "reverse"
        b = tape.index(bias, d)
        halves = _gates(b, 2)
        weights = (tape.index(w, d), tape.index(r, d), *halves, None if peepholes is None else tape.index(peepholes, d))
        functions = _activations(node, d, default)
        h, c = tape.index(h0, d), tape.index(c0, d)
        rows = [None] * steps
        for t in reversed(range(steps)) if backward else range(steps):
            running = np.asarray([[t < n] for n in lengths])
            new_h, new_c = step(node, functions, weights, tape.index(x, t), h, c)
            h, c = tape.where(running, new_h, h), tape.where(running, new_c, c)
            rows[t] = tape.where(running, new_h, 0.0)
        outputs.append(tape.stack(rows, 0))
        last_h.append(h)
        last_c.append(c)
    y, h, c = tape.stack(outputs, 1), tape.stack(last_h, 0), tape.stack(last_c, 0)
    if node.get("layout", 0):
        y = tape.transpose(y, (2, 0, 1, 3))
        h, c = (tape.transpose(s, (1, 0, 2)) for s in (h, c))
    return (y, h, c)[: max(node.outputs, 1)]


@operator("Scan")
def scan(node, *arguments):
    body, count = node.get("body"), node.get("num_scan_inputs")
    states, scanned = list(arguments[: len(arguments) - count]), arguments[len(arguments) - count :]
    made = len(body.outputs) - len(states)
    in_axes = node.get("scan_input_axes") or [0] * count
    in_back = node.get("scan_input_directions") or [0] * count
    out_axes = node.get("scan_output_axes") or [0] * made
    out_back = node.get("scan_output_directions") or [0] * made
    steps = val(scanned[0]).shape[in_axes[0]]
    collected = [[] for _ in range(made)]
    for t in range(steps):
        feeds = dict(zip(body.inputs, states))
        for name, value, axis, back in zip(body.inputs[len(states) :], scanned, in_axes, in_back):
            key = [slice(None)] * (axis % val(value).ndim)
            feeds[name] = tape.index(value, (*key, steps - 1 - t if back else t))
        results = body.run(feeds, node.scope)
        states = results[: len(states)]
        for rows, value, back in zip(collected, results[len(states) :], out_back):
            rows.insert(0 if back else len(rows), value)
    return (*states, *(tape.stack(rows, axis) for rows, axis in zip(collected, out_axes)))


@operator("Loop")
def loop(node, trips, condition, *states):
    body = node.get("body")
    limit = np.iinfo(np.int64).max if trips is None else integers(trips)[0]
    going = True if condition is None else bool(val(condition).ravel()[0])
    states = list(states)
    collected = [[] for _ in range(len(body.outputs) - 1 - len(states))]
    t = 0
    while going and t < limit:
        feeds = dict(zip(body.inputs, [np.asarray(t), np.asarray(True), *states]))
        keep_going, *results = body.run(feeds, node.scope)
        going = bool(val(keep_going).ravel()[0])
        states = results[: len(states)]
        for rows, value in zip(collected, results[len(states) :]):
            rows.append(value)
        t += 1
    return (*states, *(tape.stack(rows, 0) for rows in collected))


@operator("If")
def conditional(node, condition):
    branch = node.get("then_branch") if bool(val(condition).ravel()[0]) else node.get("else_branch")
    return tuple(branch.run({}, node.scope))
