"""The one place that reads and writes scikit-learn models: files of `skops`, which run no code when they are loaded."""

from pathlib import Path
from typing import Any

from models.card import ModelError
from models.extras import installing

TRUSTED = frozenset({"sklearn.tree._tree.Tree"})
"""Types besides those that skops trusts by itself: the trees of a forest, which are tables of numbers."""


def save_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted estimator."""
    import skops.io

    skops.io.dump(estimator, path)


def load_estimator(path: Path) -> Any:
    """The estimator of a file.

    Raises:
        ModelError: scikit-learn is not installed, or the file is damaged, of another kind, or holds a type that is not
            trusted.
    """
    try:
        import sklearn  # noqa: F401  (skops would fail later, and say less)
        import skops.io
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path}: is a scikit-learn model, and {error.name} is missing; {installing('train')}"
        ) from None
    try:
        foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED)
        if foreign:
            raise ModelError(f"{path}: holds {foreign[0]}, a type that is not trusted")
        return skops.io.load(path, trusted=sorted(TRUSTED))
    except ModelError:
        raise
    except Exception as error:  # a damaged archive raises whatever its reader happens to meet
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: not a usable scikit-learn model: {reason}") from None
