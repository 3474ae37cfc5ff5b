"""Arrays kept in a cache folder: each file is there whole or not at all, whatever interrupts a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def keep(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name to a .npz."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.rename(path)
