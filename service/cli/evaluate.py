"""``trackline eval``: how good results are, measured against the truth."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import InvalidInput
from service.cli.options import Classes, Iou, MaxDet, Model, split

if TYPE_CHECKING:
    from models.average_precision import Scores as DetectionScores
    from models.ground_truth import GroundTruth
    from models.types import Detections, Image
    from tracker.evaluate import Scores

MOST_PIXELS = 250_000_000
MOST_SIDE = 65_535

AsJson = Annotated[bool, typer.Option("--json", help="JSON in place of a table.")]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    app.add_typer(group, name="eval", help="Score results against the truth.")


@group.callback()
def evaluate() -> None:
    """Score results against the truth."""


@group.command()
def mot(
    gt_dir: Annotated[
        Path, typer.Argument(help="Holds SEQUENCE/gt/gt.txt, SEQUENCE/gt.txt or SEQUENCE.txt.")
    ],
    results_dir: Annotated[Path, typer.Argument(help="Holds SEQUENCE.txt, MOT rows.")],
    sequence: Annotated[
        list[str] | None,
        typer.Option(help="Score this sequence alone; may be given several times."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """HOTA, DetA, AssA, IDF1, MOTA and identity switches of MOTChallenge result files."""
    from tracker.evaluate import evaluate_folders

    scores = evaluate_folders(gt_dir, results_dir, sequence)
    if as_json:
        typer.echo(json.dumps({name: asdict(row) for name, row in scores.items()}, indent=2))
    else:
        typer.echo(table(scores))


def table(scores: dict[str, Scores]) -> str:
    """A line a sequence: shares in percent, then counts."""
    width = max(16, *(len(name) for name in scores))
    lines = [f"{'sequence':{width}s}  HOTA  DetA  AssA  IDF1  MOTA  IDSW    FP    FN"]
    for name, row in scores.items():
        shares = " ".join(
            f"{100 * share:5.1f}" for share in (row.hota, row.deta, row.assa, row.idf1, row.mota)
        )
        lines.append(f"{name:{width}s} {shares} {row.idsw:5d} {row.fp:5d} {row.fn:5d}")
    return "\n".join(lines)


@group.command("detect")
def detect(
    data: Annotated[
        Path,
        typer.Argument(help="Labelled images: COCO's JSON, a data.yaml, or images/ and labels/."),
    ],
    model: Model = "yolo26n",
    results: Annotated[
        Path | None,
        typer.Option(help="Score this COCO results file; no detector is run.", dir_okay=False),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="The folder of the pictures of COCO's JSON.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--split", help="Part of a data.yaml; val if unset.", metavar="NAME"),
    ] = None,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least confidence.")] = 0.001,
    iou: Iou = 0.7,
    imgsz: Annotated[
        int | None, typer.Option(min=32, help="Side of the network's input, in pixels.")
    ] = None,
    classes: Classes = None,
    max_det: MaxDet = 300,
    as_json: AsJson = False,
) -> None:
    """Average precision of a detector, or of a file of results, as COCO measures it."""
    from models.average_precision import average_precision
    from models.ground_truth import read_ground_truth
    from models.ground_truth_coco import read_results

    truth = read_ground_truth(data, images, part)
    wanted = split(classes)
    found: list[Detections]
    if results is not None:
        found = read_results(results, truth)
        truth = truth if wanted is None else truth.only(wanted)
    else:
        truth = truth if wanted is None else truth.only(wanted)
        found = _detect(truth, model, conf, iou, imgsz, max_det)
    scores = average_precision([one.truth for one in truth.pictures], found, truth.names)
    typer.echo(json.dumps(asdict(scores), indent=2) if as_json else detection_table(scores))


def _detect(
    truth: GroundTruth, model: str, conf: float, iou: float, imgsz: int | None, max_det: int
) -> list[Detections]:
    """What a detector of the catalogue finds in the labelled images, counted on a bar."""
    from models import load_detector
    from models.labelled import detect_labelled
    from service.cli.progress import counted

    detector = load_detector(model)
    try:
        found = detect_labelled(
            detector, truth, _read, conf=conf, iou=iou, imgsz=imgsz, max_det=max_det
        )
        return list(counted(found, "detecting", len(truth.pictures)))
    finally:
        detector.close()


def _read(path: Path) -> Image:
    """The pixels of a picture file."""
    from service.errors import TooLarge, UnreadableMedia, UnsupportedMedia
    from service.pictures.images import decode_image

    try:
        return decode_image(path.read_bytes(), MOST_PIXELS, MOST_SIDE)
    except OSError as error:
        raise InvalidInput(f"{path}: a labelled image is missing: {error.strerror}") from error
    except (UnreadableMedia, UnsupportedMedia, TooLarge) as error:
        raise InvalidInput(f"{path}: {error}") from error


def detection_table(scores: DetectionScores) -> str:
    """A line for all classes, then one for each: shares in percent, and the objects to be found."""
    width = max(16, *(len(name) for name in scores.classes))
    objects = sum(row.objects for row in scores.classes.values())
    lines = [f"{'class':{width}s} mAP@50 mAP@75 mAP@50:95 objects"]
    rows = [("all", scores.map50, scores.map75, scores.map50_95, objects)]
    rows += [
        (name, row.ap50, row.ap75, row.ap50_95, row.objects) for name, row in scores.classes.items()
    ]
    for name, ap50, ap75, ap50_95, count in rows:
        shares = f"{100 * ap50:6.1f} {100 * ap75:6.1f} {100 * ap50_95:9.1f}"
        lines.append(f"{name:{width}s} {shares} {count:7d}")
    return "\n".join(lines)
