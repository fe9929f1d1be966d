"""The shapes of a file or a data set: the path, the class and the split of each one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...sequence_index import SequenceIndexError

RESTORE_LABELS = 'Leave the labels out with --no-labels, or restore the file'


@dataclass
class ShapeTable:
    """Shapes in the order of the data.

    Attributes:
        source: The file or folder that lists the shapes; error messages name it.
        paths: N frame paths relative to the data's root, as ``LoadShape`` reads them.
        labels: Integer array (N,) with the class of each shape, counted from 0, or None if the data has no classes.
        classes: The names of the classes; None if the classes have no names, or there are no labels.
        splits: Array (N,) with the word for each shape's split, or None if the data has no split.
        why_unlabelled: Why the shapes have no labels though their layout might have given some; None if that is clear.
    """

    source: str
    paths: list[str]
    labels: np.ndarray | None = None
    classes: list[str] | None = None
    splits: np.ndarray | None = None
    why_unlabelled: str | None = None

    def check(self) -> None:
        """Raise a SequenceIndexError that names the source if an attribute is not as described."""
        expected = (len(self.paths),)
        if self.splits is not None and self.splits.shape != expected:
            raise SequenceIndexError(
                f"{self.source}: its array 'split' is of shape {self.splits.shape}, but {expected} is expected: a word "
                'for each shape. Leave --split out, or restore the file'
            )
        if self.labels is None:
            return
        if self.labels.shape != expected or self.labels.dtype.kind not in 'iu':
            raise SequenceIndexError(
                f'{self.source}: its labels are of type {self.labels.dtype} and shape {self.labels.shape}, but '
                f'integers of shape {expected} are expected: a class for each shape. {RESTORE_LABELS}'
            )
        num_classes = np.inf if self.classes is None else len(self.classes)
        is_bad = (self.labels < 0) | (self.labels >= num_classes)
        if is_bad.any():
            row = int(np.flatnonzero(is_bad)[0])
            known = 'below 0' if self.classes is None else f'but the classes are 0 to {len(self.classes) - 1}'
            raise SequenceIndexError(
                f'{self.source}: {int(is_bad.sum())} labels are out of range. The first: {self.paths[row]} '
                f'has the label {self.labels[row]}, {known}. {RESTORE_LABELS}'
            )

    def rows_of(self, split: str | None) -> list[int]:
        """Return the rows of a split; all rows for None.

        Raises:
            SequenceIndexError: If a split is asked for and the data has none.
        """
        if split is None:
            return list(range(len(self.paths)))
        if self.splits is None:
            raise SequenceIndexError(f'{self.source} has no split, but --split {split} asks for one. Leave --split out')
        return np.flatnonzero(self.splits == split).tolist()
