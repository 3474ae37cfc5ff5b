"""Running TFLite models."""

import gc
import threading

import numpy as np

from gesture.features import SIGN_FEATURES
from models.registry import find
from models.runtime import TFLiteModel


def test_a_model_runs_while_another_thread_walks_through_all_objects_of_the_process() -> None:
    model = TFLiteModel(find("signs") / "model.tflite")
    over = threading.Event()

    def walk() -> None:  # as NiceGUI does when the pages start
        while not over.is_set():
            for each in gc.get_objects():
                type(each)  # not isinstance: a weak reference to what is gone would end this thread

    walker = threading.Thread(target=walk)
    walker.start()
    try:
        for count in 100 * [1, 2]:
            assert len(model(np.zeros((count, SIGN_FEATURES), np.float32))[0]) == count
    finally:
        over.set()
        walker.join()
