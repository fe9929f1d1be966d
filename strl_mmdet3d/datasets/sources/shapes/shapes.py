"""Synthetic shapes: each one is a sequence of one frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ...sequence_index import FrameSequence, SequenceIndexError
from ..root_folder import require_folder
from .modelnet_hdf5 import FILE_LIST, SPLITS, modelnet_hdf5_tables
from .modelnet_text import SHAPE_NAMES, modelnet_text_tables
from .shape_archives import archive_tables
from .shape_meshes import mesh_tables
from .shape_table import ShapeTable

MAX_UNNAMED_CLASSES = 10_000  # the largest sets of shapes have some hundred classes


@dataclass
class ShapeLister:
    """Selects shapes of a data set, and keeps the names of their classes.

    Attributes:
        split: Keep only the shapes of the split with this name; None keeps all.
        with_labels: Whether to take the labels, if the data has them.
        classes: The names of the classes, known once the shapes were listed; None without labels.
        notes: Why shapes have no labels, once the shapes were listed: lines for the tool to print.
        missing: The files behind dead links, once the shapes were listed.
    """

    split: str | None = None
    with_labels: bool = True
    classes: list[str] | None = field(default=None, init=False)
    notes: list[str] = field(default_factory=list, init=False)
    missing: list[Path] = field(default_factory=list, init=False)

    def list_shapes(self, tables: Iterable[ShapeTable]) -> Iterator[FrameSequence]:
        """Make sequences of one frame from the shapes of the split, named after their frame.

        Args:
            tables: All shapes of the data, one table per file. Either all tables have labels, with the same classes, or
                none has.

        Raises:
            SequenceIndexError: If a table is not valid, the tables do not fit each other, or none has shapes of the
                split.
        """
        tables = list(tables)
        for table in tables:
            if not self.with_labels:
                table.labels = table.classes = None
            elif table.why_unlabelled:
                self.notes.append(f'no labels: {table.why_unlabelled}')
            table.check()
        self.classes = _common_classes(tables)
        rows = [table.rows_of(self.split) for table in tables]
        if tables and not any(rows):
            words = {str(word) for table in tables if table.splits is not None for word in table.splits}
            raise SequenceIndexError(
                f'none of the shapes of {tables[0].source} (of {len(tables)} files) is in the split {self.split!r}; '
                f'the splits are {sorted(words)}. Check --split'
            )
        for table, chosen in zip(tables, rows, strict=True):
            for row in chosen:
                label = None if table.labels is None else int(table.labels[row])
                yield FrameSequence(table.paths[row], [table.paths[row]], label=label)


def _common_classes(tables: list[ShapeTable]) -> list[str] | None:
    """Return the names of the classes of all tables. If the data does not name them, the names are the numbers.

    Raises:
        SequenceIndexError: If some tables have labels and others do not, or not all have the same classes.
    """
    labelled = [table for table in tables if table.labels is not None]
    if not labelled:
        return None
    if len(labelled) < len(tables):
        other = next(table for table in tables if table.labels is None)
        raise SequenceIndexError(
            f'{labelled[0].source} has labels and {other.source} has none. Make an index of each, or use --no-labels'
        )
    for table in labelled[1:]:
        if table.classes != labelled[0].classes:
            raise SequenceIndexError(
                f'{labelled[0].source} and {table.source} have different classes. Make an index of each, '
                'or use --no-labels'
            )
    if labelled[0].classes is not None:
        return labelled[0].classes
    num_classes = 1 + max(
        int(table.labels.max()) for table in labelled if table.labels is not None and len(table.labels)
    )
    if num_classes > MAX_UNNAMED_CLASSES:
        raise SequenceIndexError(
            f'{labelled[0].source} has labels up to {num_classes - 1} without names. Name the classes, or use '
            '--no-labels'
        )
    return [str(label) for label in range(num_classes)]


def shape_tables(root: Path, lister: ShapeLister) -> Iterable[ShapeTable]:
    """List all shapes of a data set. The list files in the root decide which layout it has."""
    if (root / SHAPE_NAMES).is_file():
        return modelnet_text_tables(root)
    if (root / f'{SPLITS[0]}{FILE_LIST}').is_file():
        return modelnet_hdf5_tables(root)
    archives = archive_tables(root, lister.with_labels, lister.split is not None, lister.missing)
    return chain(archives, mesh_tables(root, lister.missing))


def shape_sequences(root: Path, lister: ShapeLister) -> Iterator[FrameSequence]:
    """Make a sequence of one frame from each shape of a data set.

    The data set is ``modelnet40_normal_resampled``, ``modelnet40_ply_hdf5_2048``, or any folder of ``.npz`` archives
    and meshes.

    Args:
        root: The data's root.
        lister: Selects the shapes.

    Yields:
        Sequences named after their frame, which ``LoadShape`` reads.

    Raises:
        SequenceIndexError: If the root is not a folder, the data does not have its layout, or no shape is in the split.
    """
    require_folder(root)
    yield from lister.list_shapes(shape_tables(root, lister))
