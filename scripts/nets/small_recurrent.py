"""Small recurrent networks: RNN, GRU, LSTM as torch and Keras exporters write them, and Scan."""

import numpy as np
from onnx import TensorProto, helper

from .catalogue import network


def weights(net, gates, features, hidden, directions=1):
    return (
        net.weight(directions, gates * hidden, features, scale=0.5),
        net.weight(directions, gates * hidden, hidden, scale=0.5),
        net.weight(directions, 2 * gates * hidden, scale=0.2),
    )


@network(legacy=True)
def lstm_torch(net):
    # nn.LSTM with batch_first: the initial state is expanded from one row, the direction axis squeezed out
    x = net.input("x", [2, 5, 3])
    y = net.op("Transpose", x, perm=[1, 0, 2])
    batch = net.op("Unsqueeze", net.op("Gather", net.op("Shape", y), 1), [0])
    state = net.op("Expand", np.zeros((1, 1, 4)), net.op("Concat", [1], batch, [4], axis=0))
    y, h, c = net.op("LSTM", y, *weights(net, 4, 3, 4), None, state, state, outputs=3, hidden_size=4)
    net.output(net.op("Transpose", net.op("Squeeze", y, [1]), perm=[1, 0, 2]), h, c)


@network()
def lstm_bidirectional_peepholes(net):
    x = net.input("x", [4, 2, 3])
    peepholes = net.weight(2, 9, scale=0.3)
    state = [net.weight(2, 2, 3, scale=0.3) for _ in range(2)]
    recurrent = net.op(
        "LSTM", x, *weights(net, 4, 3, 3, 2), None, *state, peepholes, hidden_size=3, direction="bidirectional"
    )
    net.output(recurrent)


@network()
def gru(net):
    x = net.input("x", [4, 2, 3])
    reset_after, _ = net.op("GRU", x, *weights(net, 3, 3, 4), outputs=2, hidden_size=4, linear_before_reset=1)
    _, last = net.op("GRU", x, *weights(net, 3, 3, 3), outputs=2, hidden_size=3, direction="reverse")
    net.output(reset_after, last)


@network()
def rnn(net):
    x = net.input("x", [4, 2, 3])
    tanh = net.op("RNN", x, *weights(net, 1, 3, 4), hidden_size=4)
    relu = net.op(
        "RNN", x, *weights(net, 1, 3, 3, 2), hidden_size=3, direction="bidirectional", activations=["Relu", "Relu"]
    )
    net.output(tanh, relu)


@network()
def scan_leaky_integrator(net):
    # v <- tanh(0.75 v + W x_t), with v and its square collected
    x = net.input("x", [5, 2, 3])
    weight = net.weight(3, 4, scale=0.5)
    initial = net.weight(2, 4, scale=0.3)
    nodes = [
        helper.make_node("MatMul", ["frame", weight], ["drive"]),
        helper.make_node("Mul", ["v", "decay"], ["kept"]),
        helper.make_node("Add", ["kept", "drive"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["v_next"]),
        helper.make_node("Mul", ["v_next", "v_next"], ["power"]),
        helper.make_node("Identity", ["v_next"], ["trace"]),
    ]

    def info(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    body = helper.make_graph(
        nodes,
        "step",
        [info("v", [2, 4]), info("frame", [2, 3])],
        [info("v_next", [2, 4]), info("trace", [2, 4]), info("power", [2, 4])],
        [helper.make_tensor("decay", TensorProto.FLOAT, [], [0.75])],
    )
    last, trace, power = net.op("Scan", initial, x, outputs=3, body=body, num_scan_inputs=1)
    net.output(last, trace, power)


@network()
def unrolled_recurrence(net):
    # convolutional recurrence written out, as exporters unroll a loop: shared weights, four times
    x = net.input("x", [1, 2, 6, 6])
    weight, inner = net.weight(4, 2, 3, 3), net.weight(4, 4, 3, 3, scale=0.12)
    geometry = dict(kernel_shape=[3, 3], pads=[1] * 4)
    drive = net.op("Conv", x, weight, **geometry)
    state = net.op("Tanh", drive)
    for _ in range(3):
        state = net.op("Tanh", net.op("Add", drive, net.op("Conv", state, inner, **geometry)))
    net.output(state)
