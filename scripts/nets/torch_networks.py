"""The networks of big.py as torch modules, with the names of their weights; for bench_gradient.py only.

Written as people write them: batch norms in evaluation mode, attention by `scaled_dot_product_attention`, all weights
without gradients, so that torch computes the input gradient alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

EPSILON = 1e-5


class BasicBlock(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample = None
        if stride == 2:
            self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, 2, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for stage, width in enumerate((64, 128, 256, 512), 1):
            blocks = BasicBlock(before, width, 2 if stage > 1 else 1), BasicBlock(width, width, 1)
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            before = width
        self.fc = nn.Linear(512, 1000)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class AlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(9216, 512), nn.ReLU(), nn.Linear(512, 100))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class VOneBlock(nn.Module):
    def __init__(self, simple=256):
        super().__init__()
        self.simple = simple
        self.q0 = nn.Conv2d(3, 2 * simple, 25, 4, 12, bias=False)
        self.q1 = nn.Conv2d(3, 2 * simple, 25, 4, 12, bias=False)
        self.bottleneck = nn.Conv2d(2 * simple, 64, 1, bias=False)

    def forward(self, x):
        first, second = self.q0(x), self.q1(x)
        energy = torch.sqrt(first[:, self.simple :] ** 2 + second[:, self.simple :] ** 2 + 1e-12) / math.sqrt(2)
        return self.bottleneck(25 * torch.cat([F.relu(first[:, : self.simple]), energy], 1))


class RecurrentArea(nn.Module):
    def __init__(self, before, after, times, scale=4):
        super().__init__()
        inner = after * scale
        self.times = times
        self.conv_input = nn.Conv2d(before, after, 1, bias=False)
        self.skip, self.norm_skip = nn.Conv2d(after, after, 1, 2, bias=False), nn.BatchNorm2d(after)
        self.conv1 = nn.Conv2d(after, inner, 1, bias=False)
        self.conv2 = nn.Conv2d(inner, inner, 3, 1, 1, bias=False)
        self.conv3 = nn.Conv2d(inner, after, 1, bias=False)
        for t in range(times):
            for i, width in ((1, inner), (2, inner), (3, after)):
                setattr(self, f"norm{i}_{t}", nn.BatchNorm2d(width))

    def forward(self, x):
        x = self.conv_input(x)
        for t in range(self.times):
            norm1, norm2, norm3 = (getattr(self, f"norm{i}_{t}") for i in (1, 2, 3))
            skip = self.norm_skip(self.skip(x)) if t == 0 else x
            x = F.relu(norm1(self.conv1(x)))
            x = F.relu(norm2(F.conv2d(x, self.conv2.weight, None, 2 if t == 0 else 1, 1)))
            x = F.relu(norm3(self.conv3(x)) + skip)
        return x


class CORnetS(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.V1 = nn.Module()
        self.V1.conv1, self.V1.norm1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.V1.conv2, self.V1.norm2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.V2, self.V4, self.IT = RecurrentArea(64, 128, 2), RecurrentArea(128, 256, 4), RecurrentArea(256, 512, 2)
        self.decoder = nn.Linear(512, 100)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.V1.norm1(self.V1.conv1(x))), 3, 2, 1)
        x = F.relu(self.V1.norm2(self.V1.conv2(x)))
        return self.decoder(F.adaptive_avg_pool2d(self.IT(self.V4(self.V2(x))), 1).flatten(1))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, EPSILON), nn.LayerNorm(width, EPSILON)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        parts = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.proj(y)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, blocks, width=192, heads=3):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, 16, 16)
        self.cls_token, self.pos_embed = (
            nn.Parameter(torch.zeros(1, 1, width)),
            nn.Parameter(torch.zeros(1, 197, width)),
        )
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width, EPSILON), nn.Linear(width, 100)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NextBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, 1e-6)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.fc2(F.gelu(self.fc1(y)))).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self, depths=(3, 3, 9, 3), widths=(96, 192, 384, 768)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), ChannelNorm(widths[0], 1e-6))
        self.down = nn.ModuleList([nn.Identity()])
        self.stages = nn.ModuleList()
        for i, (depth, width) in enumerate(zip(depths, widths)):
            if i:
                self.down.append(nn.Sequential(ChannelNorm(widths[i - 1], 1e-6), nn.Conv2d(widths[i - 1], width, 2, 2)))
            self.stages.append(nn.Sequential(*(NextBlock(width) for _ in range(depth))))
        self.norm, self.head = nn.LayerNorm(widths[-1], 1e-6), nn.Linear(widths[-1], 100)

    def forward(self, x):
        x = self.stem(x)
        for down, stage in zip(self.down, self.stages):
            x = stage(down(x))
        return self.head(self.norm(x.mean((2, 3))))


NETWORKS = {
    "resnet18": ResNet18,
    "alexnet": AlexNet,
    "vone_block": VOneBlock,
    "cornet_s": CORnetS,
    "vit_tiny": lambda: ViT(12),
    "vit_tiny_4": lambda: ViT(4),
    "convnext_tiny": ConvNeXt,
}


def load(name, weights, dtype):
    """The network in evaluation mode; the weights are taken over as they lie, nothing is allocated twice."""
    with torch.device("meta"):
        network = NETWORKS[name]()
    state = {key: value for key, value in weights.items()}
    for key in network.state_dict():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.long)
    network.load_state_dict(state, assign=True, strict=True)
    return network.eval().to(dtype).requires_grad_(False)
