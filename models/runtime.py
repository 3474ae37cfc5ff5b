"""The one place that touches the inference engine: TFLite files run by `ai-edge-litert`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models.card import Card, ModelError
from models.registry import open_card

Array = NDArray[np.float32]


class TFLiteModel:
    """A TFLite file with float32 inputs and outputs; belongs to the thread that calls it.

    Args:
        path: the .tflite file.
        threads: CPU threads that one call may use.

    Raises:
        ModelError: the file is truncated, damaged or of another kind.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            # Before each call LiteRT counts who refers to its native part, as an array inside it would, and refuses
            # where anybody does. So does a thread that walks through all objects of the process and finds a call under
            # way (gc.get_objects; NiceGUI does when its pages start). No array inside it leaves this class:
            # `get_tensor` copies.
            self._interpreter._safe_to_run = lambda: True
            self._interpreter.allocate_tensors()
            details = sorted(self._interpreter.get_input_details(), key=lambda detail: str(detail["name"]))
            self._inputs = [detail["index"] for detail in details]
            self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        except (ValueError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{path}: not a usable TFLite model: {reason}") from None
        self._shapes = [tuple(detail["shape"]) for detail in details]
        self._path = path

    def try_out(self, inputs: Sequence[tuple[int, ...]], labels: int) -> None:
        """Run the model once on zeros, so that one that does not fit is refused before anybody relies on it.

        Args:
            inputs: the shapes that it will be given.
            labels: columns of its first output.

        Raises:
            ModelError: it does not take these, cannot be run, or gives something else.
        """
        try:
            output = self(*(np.zeros(shape, np.float32) for shape in inputs))[0]
        except (ValueError, RuntimeError, IndexError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{self._path}: does not take what this version gives it: {reason}") from None
        if output.shape != (inputs[0][0], labels):
            raise ModelError(f"{self._path}: gives {output.shape[-1:]} numbers for {labels} labels")

    def __call__(self, *inputs: Array) -> Sequence[Array]:
        """Run the model once; inputs in the order of their names, outputs in the order of the file.

        A batch of another size than the last call's makes the interpreter plan its memory anew.
        """
        shapes = [value.shape for value in inputs]
        if shapes != self._shapes:
            for index, shape in zip(self._inputs, shapes, strict=True):
                self._interpreter.resize_tensor_input(index, shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for index, value in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def open_classifier(name: str, *, task: str, features: int, home: Path | None = None) -> tuple[TFLiteModel, Card]:
    """Network and card of a model that takes rows of `features` numbers and gives a probability for each label.

    Raises:
        ModelError: no such model, a damaged one, or one made for another task or other features.
    """
    folder, card = open_card(name, task=task, home=home)
    model = TFLiteModel(folder / "model.tflite")
    model.try_out([(1, features)], len(card.labels))
    return model, card


def constants(path: Path) -> dict[str, Array]:
    """What a TFLite file holds that never changes, weights above all, by the names of tensors.

    Those kept with 8 bits are scaled back; float32 of their shapes.
    """
    interpreter = Interpreter(model_path=str(path))
    found: dict[str, Array] = {}
    for tensor in interpreter.get_tensor_details():
        try:
            values = np.asarray(interpreter.get_tensor(tensor["index"]))
        except ValueError:
            continue  # calculated
        quantization = tensor["quantization_parameters"]
        if len(quantization["scales"]):
            values = (values.astype(np.float32) - quantization["zero_points"][0]) * quantization["scales"][0]
        found[str(tensor["name"])] = np.asarray(values, np.float32)
    return found
