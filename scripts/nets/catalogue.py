"""The list of small networks: `@network` puts a function `f(net)` on it; the function's name is the network's name."""

from .build import Net

NETWORKS = {}


def network(opset=17, dtype="float32", legacy=False, smooth=True):
    def register(function):
        assert function.__name__ not in NETWORKS, function.__name__
        NETWORKS[function.__name__] = (function, opset, dtype, legacy, smooth)
        return function

    return register


def build(name):
    """The finished `Net` and whether its test point has to stay away from kinks."""
    function, opset, dtype, legacy, smooth = NETWORKS[name]
    net = Net(name, opset, dtype, legacy)
    function(net)
    return net, smooth


def load_networks():
    from . import (  # noqa: F401
        small_arithmetic,
        small_convolution,
        small_indexing,
        small_networks,
        small_normalising,
        small_pooling,
        small_recurrent,
        small_sampling,
    )


load_networks()
