"""What was judged, as metrics for programs and as a table for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.corpus import LABELS, SCREAM, CorpusError, are_screams
from audio.detector import OPERATING_POINT
from audio.judging import Judged
from audio.metrics import UNSTATED, classification, figures, held_back, rate, shown
from models.rate_bound import CONFIDENCE

Array = NDArray[np.float32]

LONG_S = 20.0
"""From this length on a recording counts as continuous sound."""


def counted_of(judged: Sequence[Judged]) -> list[Judged]:
    """Those whose label was given by a person and is beyond dispute."""
    return [each for each in judged if each.clip.sure]


def summarize(judged: Sequence[Judged]) -> dict[str, Any]:
    """Metrics of all recordings as one object for JSON; weak and disputed labels are left out."""
    counted = counted_of(judged)
    files, windows = _of_files(counted), _of_windows(counted)
    result: dict[str, Any] = {
        "recordings": len(counted),
        "hours": sum(each.seconds for each in counted) / 3600,
        "files": classification(*files),
        "segments": classification(*windows),
        "sources": _by_source(counted),
        "worst": _extremes([each for each in counted if each.clip.label != "scream"], most=True),
        "missed": _extremes([each for each in counted if each.clip.label == "scream"], most=False),
    }
    truth = are_screams([each.clip for each in counted])
    if truth.any() and not truth.all():
        ranking = figures(np.asarray([each.probability for each in counted], np.float32), truth)
        result["files"] |= ranking.report()
        highest = np.asarray([each.highest for each in counted], np.float32)
        result["live"] = figures(highest, truth).report()
        result["live"]["recall_at_threshold"] = float((highest[truth] >= OPERATING_POINT).mean())
        result["live"]["false_at_threshold"] = float((highest[~truth] >= OPERATING_POINT).mean())
    others = [each for each in counted if each.clip.label != "scream"]
    for key, kept in (("clips", others), ("long", [each for each in others if each.seconds >= LONG_S])):
        alarms, hours = sum(each.alarms for each in kept), sum(each.seconds for each in kept) / 3600
        result[f"false_alarms_{key}"] = rate(alarms, hours)
    return result


def _of_files(judged: Sequence[Judged]) -> tuple[list[str], list[str], Array]:
    """Label, guess and probabilities of whole recordings; of the labels besides scream, the mean of the windows."""
    chances = np.asarray([each.windows.mean(axis=0) for each in judged], np.float32).reshape(-1, len(LABELS))
    chances[:, SCREAM] = [each.probability for each in judged]
    return [each.clip.label for each in judged], [each.label for each in judged], chances


def _of_windows(judged: Sequence[Judged]) -> tuple[list[str], list[str], Array]:
    """The same of windows, which bear the label of their recording: the pauses in a scream count as missed."""
    chances = np.concatenate([np.zeros((0, len(LABELS)), np.float32), *(each.windows for each in judged)])
    truth = [each.clip.label for each in judged for _ in each.windows]
    return truth, [LABELS[place] for place in chances.argmax(axis=1)], chances


def _extremes(judged: Sequence[Judged], *, most: bool) -> list[dict[str, Any]]:
    """The twenty that look most, or least, like screams."""
    ordered = sorted(judged, key=lambda each: each.probability, reverse=most)[:20]
    return [
        {"file": each.clip.path.name, "source": each.clip.source, "probability": round(each.probability, 4)}
        for each in ordered
    ]


def _by_source(judged: Sequence[Judged]) -> dict[str, dict[str, dict[str, float]]]:
    result: dict[str, dict[str, dict[str, float]]] = {}
    for each in judged:
        cell = result.setdefault(each.clip.source, {}).setdefault(
            each.clip.label, {"recordings": 0, "right": 0, "alarmed": 0}
        )
        cell["recordings"] += 1
        cell["right"] += each.label == each.clip.label
        cell["alarmed"] += each.highest >= OPERATING_POINT
    return result


def held_back_figures(judged: Sequence[Judged]) -> dict[str, float]:
    """What says in a card, or between two models, how good one is: shares of which more is better.

    Raises:
        CorpusError: there are no screams among the recordings, or nothing else.
    """
    counted = counted_of(judged)
    truth = are_screams([each.clip for each in counted])
    if truth.all() or not truth.any():
        raise CorpusError("screams and other recordings are needed to tell how good a model is")
    highest = np.asarray([each.highest for each in counted], np.float32)
    return {
        **held_back(np.asarray([each.probability for each in counted], np.float32), truth),
        "recall_at_threshold": float((highest[truth] >= OPERATING_POINT).mean()),
        "quiet_at_threshold": float((highest[~truth] < OPERATING_POINT).mean()),
    }


def table(report: Mapping[str, Any]) -> str:
    """The metrics for people."""
    lines = []
    if "files" in report:
        lines.append(f"{report['recordings']} recordings, {report['hours']:.2f} h")
        if report.get("learned_from"):
            lines.append(f"{report['learned_from']} of them the model has learned from: it looks better than it is")
        lines += [*_ranking(report), *_labels(report)]
        for key, name in (("clips", "all other recordings"), ("long", f"those of {LONG_S:.0f} s and more")):
            lines += _false_alarms(report[f"false_alarms_{key}"], name)
    if "continuous" in report:
        lines += _false_alarms(report["continuous"], "long recordings")
        for each in report["continuous"]["files"]:
            if each["alarms_at_s"]:
                at = ", ".join(f"{at_s:.1f} s" for at_s in each["alarms_at_s"])
                lines.append(f"  {each['file']}: at {at}")
    if report.get("noise"):
        lines.append("screams that set in after other sound, clean and before a background:")
    for snr_db, cell in report.get("noise", {}).items():
        wait = f"alarm after {cell['median_s']:.2f} s (95 %: {cell['p95_s']:.2f} s)" if cell["recall"] else "no alarm"
        name = "clean" if snr_db == "clean" else f"at {snr_db:>2} dB"
        lines.append(f"  {name:<9} recall {cell['recall']:.3f}, {wait}")
    if report.get("sources"):
        lines.append("by source:")
    for source, labels in sorted(report.get("sources", {}).items()):
        for label, cell in sorted(labels.items()):
            lines.append(
                f"  {source:<22} {label:<13} {cell['recordings']:5} recordings, {cell['right']:5} recognised, "
                f"{cell['alarmed']:5} alarmed"
            )
    return "\n".join(lines)


def _ranking(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, name in (("files", "whole files"), ("live", "running detector")):
        if "recall" in report.get(key, {}):
            recalls = ", ".join(f"{shown(recall, 3)} at {rate:.1%}" for rate, recall in report[key]["recall"].items())
            lines.append(f"{name}: AUC {report[key]['auc']:.4f}, recall {recalls} false clips")
    if any(recall is None for recall in report["files"].get("recall", {}).values()):
        lines.append(f"  {UNSTATED}")
    if "live" in report:
        live = report["live"]
        lines.append(
            f"at the shipped threshold: recall {live['recall_at_threshold']:.3f}, "
            f"false clips {live['false_at_threshold']:.2%}"
        )
    return lines


def _labels(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, name in (("files", "whole files"), ("segments", "windows")):
        found = report[key]
        if not found["count"]:
            continue
        mcc = "-" if found["mcc"] is None else f"{found['mcc']:.3f}"
        lines.append(f"{name}: accuracy {found['accuracy']:.3f}, Matthews correlation {mcc}")
        for label, cell in found["labels"].items():
            auc = "-" if cell["auc"] is None else f"{cell['auc']:.4f}"
            lines.append(
                f"  {label:<13} {cell['count']:6}  precision {cell['precision']:.3f}  recall {cell['recall']:.3f}  "
                f"F1 {cell['f1']:.3f}  AUC {auc}"
            )
    return lines


def _false_alarms(found: Mapping[str, Any], name: str) -> list[str]:
    if not found["hours"]:
        return []
    return [
        f"false alarms, {name}: {found['alarms']} in {found['hours']:.2f} h, {found['per_hour']:.2f} an hour "
        f"({CONFIDENCE:.0%} sure: at most {found['at_most_per_hour']:.2f})"
    ]
