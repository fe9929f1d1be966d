"""Looking at a sequence index before a training: all of its sequences, and a few of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..datasets import CorruptFrameError, FrameSequence, read_sequence_index
from .frame_facts import FrameFacts, Range, frame_facts
from .pair_overlap import Overlap, choose_partner, measure_overlap
from .raw_frames import RawFrame, RawFrames
from .sequence_facts import SequenceFacts, sequence_facts


@dataclass
class ExamplePair:
    """The two frames of an `Overlap`, to be drawn.

    Attributes:
        overlap: How they meet.
        clouds: Their points (N_i, 3), metres, in each frame's own axes.
        poses: Their poses (4, 4).
    """

    overlap: Overlap
    clouds: tuple[np.ndarray, np.ndarray]
    poses: tuple[np.ndarray, np.ndarray]


@dataclass
class Survey:
    """What was found.

    Attributes:
        index: The sequence index.
        kind: 'lidar', 'depth' or 'shape'.
        metainfo: The index's metainfo.
        point_cloud_range: (x_min, y_min, z_min, x_max, y_max, z_max) in metres, or None.
        sequences: The facts of all sequences.
        frames: The facts of the frames looked at.
        bad: The frames that could not be used: the path, and why.
        overlaps: How pairs of frames meet, of sequences with poses.
        labels: Label -> number of sequences.
        example: The points (N, 3) of the first frame looked at, metres.
        example_pair: The pair with the least overlap.
    """

    index: str
    kind: str
    metainfo: dict[str, Any]
    point_cloud_range: Range | None
    sequences: list[SequenceFacts] = field(default_factory=list)
    frames: list[FrameFacts] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)
    example: np.ndarray | None = None
    example_pair: ExamplePair | None = None

    @property
    def alike(self) -> list[FrameFacts]:
        """The frames looked at that have as many columns as the first; files of other widths cannot be compared."""
        return [frame for frame in self.frames if len(frame.columns) == len(self.frames[0].columns)]

    @property
    def num_frames(self) -> int:
        """The number of frames of the index."""
        return sum(sequence.num_frames for sequence in self.sequences)


def survey_sequences(
    index: str,
    root: str,
    point_cloud_range: Range | None = None,
    frames_per_sequence: int = 1,
    max_frames: int = 500,
    progress: Callable[[list[tuple[int, int]]], Iterable[tuple[int, int]]] = iter,
) -> Survey:
    """Look at an index.

    Args:
        index: The sequence index.
        root: The folder that it was made for.
        point_cloud_range: (x_min, y_min, z_min, x_max, y_max, z_max) in metres, or None.
        frames_per_sequence: How many frames of a sequence to load, evenly spread. In a sequence with poses, the first
            of them is compared with a later one.
        max_frames: How many frames to load in all; in a larger index, sequences are left out evenly.
        progress: Goes through the frames to load, and may show how far it has come.

    Raises:
        SequenceIndexError: If the index cannot be used, or its root is wrong.
        CorruptFrameError: If the index is one of shapes, and an archive cannot be read. Other frames that cannot be
            used are counted.
    """
    frames = RawFrames(index, root)
    _, sequences = read_sequence_index(index)
    survey = Survey(index, frames.kind, frames.metainfo, point_cloud_range)
    survey.sequences = [sequence_facts(sequence) for sequence in sequences]
    for sequence in sequences:
        if sequence.label is not None:
            survey.labels[sequence.label] = survey.labels.get(sequence.label, 0) + 1
    seen: set[int] = set()
    for number, frame in progress(choose_frames([len(s.frames) for s in sequences], frames_per_sequence, max_frames)):
        try:
            raw = frames.read(number, frame)
        except CorruptFrameError as error:
            survey.bad.append((sequences[number].frames[frame], str(error)))
            continue
        survey.frames.append(frame_facts(raw, point_cloud_range))
        if survey.example is None:
            survey.example = raw.rows[:, :3].copy()
        if number not in seen:
            seen.add(number)
            _add_overlap(survey, frames, (number, frame), sequences[number], raw)
    return survey


def choose_frames(lengths: list[int], per_sequence: int, max_frames: int) -> list[tuple[int, int]]:
    """Choose frames evenly: some of each sequence, or some of some sequences if these would be too many.

    Args:
        lengths: The number of frames of each sequence.
        per_sequence: How many frames of a sequence.
        max_frames: How many in all, at least one sequence's.

    Returns:
        The number of the sequence and the number of the frame in it, for each frame.
    """
    num_sequences = min(len(lengths), max(1, max_frames // per_sequence))
    chosen = np.unique(np.linspace(0, len(lengths) - 1, num_sequences).round().astype(int)).tolist()
    frames = []
    for sequence in chosen:
        number = min(per_sequence, lengths[sequence])
        # The middles of equal parts: the first and last frames of a recording are often taken standing still.
        places = (np.arange(number) + 0.5) / number * lengths[sequence]
        frames += [(sequence, int(place)) for place in places]
    return frames


def _add_overlap(
    survey: Survey, frames: RawFrames, place: tuple[int, int], sequence: FrameSequence, raw: RawFrame
) -> None:
    """Compare a frame with a later one of its sequence, if it has poses and the sensor moves."""
    number, frame = place
    if sequence.poses is None:
        return
    partner = choose_partner(sequence.poses, frame, survey.kind)
    if partner is None:
        return
    try:
        other = frames.read(number, partner)
    except CorruptFrameError as error:
        survey.bad.append((sequence.frames[partner], str(error)))
        return
    clouds = (raw.own_coords, other.own_coords)
    poses = (sequence.poses[frame], sequence.poses[partner])
    measured = measure_overlap(clouds, poses, survey.kind)
    if measured is None:
        return
    moved = float(np.linalg.norm(poses[1][:3, 3] - poses[0][:3, 3]))
    overlap = Overlap((raw.path, other.path), moved, *measured)
    survey.overlaps.append(overlap)
    if survey.example_pair is None or overlap.as_given < survey.example_pair.overlap.as_given:
        survey.example_pair = ExamplePair(overlap, clouds, poses)
