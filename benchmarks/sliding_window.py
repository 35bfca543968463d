"""A classifier slid over an image, against the same classifier made fully convolutional.

    python -m benchmarks.sliding_window [--steps 0,1,2,4,7,14] [--rounds 9]

At 224 + 32 k pixels a window of 224 fits k + 1 times in each direction, 32 pixels apart. Sliding
cuts out every window and classifies it, one after the other, since batches spill the cache of a
CPU and are slower. The fully convolutional network looks once.

The classifier is plain, five times convolution, ReLU and pooling, then two dense layers, and pads
nothing, so both give the same answers: before anything is timed they are held to 1e-4. Weights are
random; time does not depend on them. CPU time of one thread, the two taking turns; medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.fcn import to_fully_convolutional

WINDOW, STRIDE = 224, 32
CLASSES = 20
TOLERANCE = 1e-4


def classifier() -> nn.Module:
    """Images [N, 3, 224, 224] to logits [N, 20]; its stride is 32, its last map 5x5."""
    layers: list[nn.Module] = []
    before = 3
    for channels in (16, 32, 64, 128, 128):
        layers += [nn.Conv2d(before, channels, 3), nn.ReLU(), nn.MaxPool2d(2)]
        before = channels
    head = [nn.Flatten(), nn.Linear(before * 25, 256), nn.ReLU(), nn.Linear(256, CLASSES)]
    return nn.Sequential(*layers, *head).eval()


def slide(model: nn.Module, image: Tensor) -> Tensor:
    """Answers [1, K, rows, columns] of the classifier for every window of an image."""
    cuts = image[0].unfold(1, WINDOW, STRIDE).unfold(2, WINDOW, STRIDE)
    rows, columns = cuts.shape[1:3]
    windows = cuts.permute(1, 2, 0, 3, 4).reshape(-1, 3, WINDOW, WINDOW)
    answers = torch.cat([model(window[None]) for window in windows])
    return answers.reshape(rows, columns, -1).permute(2, 0, 1)[None]


def measure(model: nn.Module, network: nn.Module, side: int, rounds: int) -> tuple[float, float]:
    """Median CPU milliseconds of sliding and of the single look, after a look at their answers."""
    image = torch.rand(1, 3, side, side)
    contenders: list[Callable[[], Tensor]] = [lambda: slide(model, image), lambda: network(image)]
    slid, looked = (contender() for contender in contenders)
    assert slid.shape == looked.shape, f"grids of {slid.shape} and {looked.shape}"
    # Measured against how much the answers differ from one another.
    difference = float((slid - looked).abs().max() / looked.std())
    assert difference < TOLERANCE, f"at {side} pixels the answers differ by {difference}"
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for contender, taken in zip(contenders, times, strict=True):
            start = time.process_time()
            contender()
            taken.append(1e3 * (time.process_time() - start))
    return statistics.median(times[0]), statistics.median(times[1])


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--steps", default="0,1,2,4,7,14", help="values of k")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = classifier()
    network = to_fully_convolutional(model, WINDOW)
    print(f"{'pixels':>7} {'windows':>8} {'sliding':>13} {'one look':>12}  speed-up")
    for steps in map(int, given.steps.split(",")):
        side = WINDOW + STRIDE * steps
        slid, looked = measure(model, network, side, given.rounds)
        count = (steps + 1) ** 2
        print(f"{side:>7} {count:>8} {slid:>10.1f} ms {looked:>9.1f} ms {slid / looked:>8.1f}x")


if __name__ == "__main__":
    main(sys.argv[1:])
