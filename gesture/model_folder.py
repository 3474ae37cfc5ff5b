"""What a training leaves: the network, how it did on what was left out, and the card, in one folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gesture.held_out import HeldOut
from gesture.network import export
from models.card import write_card


def write_model(
    target: Path,
    task: str,
    networks: Sequence[Any],
    temperature: float,
    held_out: HeldOut,
    parameters: Mapping[str, Any],
    prose: str,
) -> None:
    """The model's folder: the network, how it did on what was left out, and the card."""
    target.mkdir(parents=True, exist_ok=True)
    export(networks, temperature, target / "model.tflite")
    held_out.plot(target)
    write_card(target, task=task, model_format="tflite", labels=held_out.labels, parameters=parameters, prose=prose)


def share_text(recall: Mapping[str, float], label: str) -> str:
    return f"{recall[label]:.3f}" if label in recall else "-"
