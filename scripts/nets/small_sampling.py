"""Small networks of resizing and sampling."""

import numpy as np

from .build import grid
from .catalogue import network


@network(legacy=True)
def resize_nearest(net):
    x = net.input("x", [1, 3, 5, 4])
    torch = dict(coordinate_transformation_mode="asymmetric", cubic_coeff_a=-0.75, mode="nearest", nearest_mode="floor")
    net.output(net.op("Resize", x, None, [1.0, 1.0, 2.0, 2.0], **torch))


@network(opset=13)
def resize_nearest_forms(net):
    x = net.input("x", [1, 2, 5, 6])
    net.output(
        net.op("Resize", x, None, None, [1, 2, 8, 9], mode="nearest", nearest_mode="round_prefer_ceil"),
        net.op("Resize", x, None, [1.0, 1.0, 0.6, 0.5], coordinate_transformation_mode="half_pixel"),
        net.op(
            "Resize", x, None, None, [1, 2, 9, 3], coordinate_transformation_mode="align_corners", nearest_mode="ceil"
        ),
    )


@network(legacy=True)
def resize_linear(net):
    x = net.input("x", [1, 3, 5, 4])
    torch = dict(cubic_coeff_a=-0.75, mode="linear", nearest_mode="floor")
    down = net.op("Concat", net.op("Slice", net.op("Shape", x), [0], [2], [0]), [3, 3], axis=0)
    net.output(
        net.op("Resize", x, None, [1.0, 1.0, 2.0, 2.0], coordinate_transformation_mode="half_pixel", **torch),
        net.op("Resize", x, None, None, down, coordinate_transformation_mode="half_pixel", **torch),
    )


@network(opset=13)
def resize_linear_forms(net):
    x = net.input("x", [1, 2, 5, 6])
    sizes = [1, 2, 8, 9]
    net.output(
        net.op("Resize", x, None, None, sizes, mode="linear", coordinate_transformation_mode="align_corners"),
        net.op("Resize", x, None, None, sizes, mode="linear", coordinate_transformation_mode="asymmetric"),
        net.op(
            "Resize", x, None, None, [1, 2, 1, 9], mode="linear", coordinate_transformation_mode="pytorch_half_pixel"
        ),
        net.op("Resize", x, None, [1.0, 1.0, 0.8, 0.5], mode="linear"),
    )


@network()
def resize_cubic(net):
    x = net.input("x", [1, 2, 5, 6])
    cubic = dict(mode="cubic", cubic_coeff_a=-0.75)
    net.output(
        net.op("Resize", x, None, None, [1, 2, 5, 5], coordinate_transformation_mode="align_corners", **cubic),
        net.op("Resize", x, None, [1.0, 1.0, 2.0, 1.5], coordinate_transformation_mode="half_pixel", **cubic),
        net.op("Resize", x, None, [1.0, 1.0, 0.8, 2.0], mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1),
    )


@network(opset=20)
def resize_antialias(net):
    x = net.input("x", [1, 2, 7, 8])
    torch = dict(antialias=1, exclude_outside=1, keep_aspect_ratio_policy="stretch")
    net.output(
        net.op("Resize", x, None, None, [1, 2, 3, 3], mode="linear", **torch),
        net.op("Resize", x, None, None, [4, 5], mode="cubic", cubic_coeff_a=-0.5, axes=[2, 3], **torch),
        net.op("Resize", x, None, None, [3, 16], mode="linear", axes=[2, 3], **torch),
    )


@network(opset=19)
def resize_1d_3d(net):
    x = net.input("x", [1, 2, 3, 4, 3])
    y = net.op("Reshape", x, [1, 2, 36])
    net.output(
        net.op("Resize", x, None, [1.0, 1.0, 2.0, 1.5, 2.0], mode="linear"),
        net.op(
            "Resize", y, None, [1.0, 1.0, 0.5], mode="linear", coordinate_transformation_mode="half_pixel_symmetric"
        ),
        net.op("Resize", y, None, [2.0], mode="nearest", axes=[2]),
    )


@network(opset=9)
def upsample(net):
    x = net.input("x", [1, 3, 4, 3])
    scales = [1.0, 1.0, 2.0, 3.0]
    net.output(net.op("Upsample", x, scales, mode="nearest"), net.op("Upsample", x, scales, mode="linear"))


def coordinates(net, *shape):
    """Sampling points in and around [-1, 1]."""
    return grid(net.random.uniform(-1.3, 1.3, shape), 1000)


@network()
def grid_sample_bilinear(net):
    x = net.input("x", [1, 2, 5, 6])
    at = net.const(coordinates(net, 1, 4, 5, 2))
    net.output(
        net.op("GridSample", x, at, mode="bilinear", padding_mode="zeros", align_corners=0),
        net.op("GridSample", x, at, mode="bilinear", padding_mode="border", align_corners=1),
        net.op("GridSample", x, at, mode="bilinear", padding_mode="reflection", align_corners=0),
    )


@network(opset=20)
def grid_sample_forms(net):
    x = net.input("x", [1, 2, 5, 6])
    at = net.const(coordinates(net, 1, 3, 4, 2))
    net.output(
        net.op("GridSample", x, at, mode="nearest", padding_mode="zeros", align_corners=0),
        net.op("GridSample", x, at, mode="nearest", padding_mode="border", align_corners=1),
        net.op("GridSample", x, at, mode="cubic", padding_mode="zeros", align_corners=0),
        net.op("GridSample", x, at, mode="cubic", padding_mode="reflection", align_corners=1),
    )


@network(opset=20)
def spatial_transformer(net):
    # the grid follows from the image, so its gradient counts as well
    x = net.input("x", [1, 2, 5, 6])
    pooled = net.op("Flatten", net.op("GlobalAveragePool", x))
    change = net.op("Tanh", net.op("Gemm", pooled, net.weight(2, 6, scale=0.4), net.weight(6, scale=0.1)))
    theta = net.op("Add", net.op("Reshape", net.op("Mul", change, 0.3), [1, 2, 3]), np.eye(2, 3)[None] * 0.8)
    at = net.op("AffineGrid", theta, [1, 2, 4, 5], align_corners=0)
    net.output(net.op("GridSample", x, at, mode="linear", padding_mode="zeros", align_corners=0))
