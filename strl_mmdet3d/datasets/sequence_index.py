"""The sequence index: which frames follow each other, where they lie below the data's root, and how the sensor moved.

The file is JSON, one sequence per line::

    {"metainfo": {"format_version": 1, "source": "kitti-raw", "load_dim": 4, ...},
     "data_list": [
    {"sequence_id": "2011_09_26_drive_0048_sync", "frames": ["2011_09_26/.../0000000000.bin", ...],
     "poses": [[[1.0, 0.0, 0.0, 0.0], ...], ...], "timestamps": [0.0, 0.103, ...]},
    ...]}

``poses``, ``timestamps`` and ``intrinsics`` are optional for each sequence. The frames of a sequence with
``intrinsics``, a 3x3 matrix, are depth images. ``label`` is the number of a class in the metainfo's ``classes``. Either
all sequences have a label or none; only shapes are labelled. Nothing in the file names the machine that wrote it.

The metainfo may state these facts about the frames, which an index of an earlier version lacks:

=================  ====================================================================================================
``load_dim``       values per point of a scan, at least 3
``columns``        what these values are, such as ``["x", "y", "z", "intensity", "ring"]``
``intensity_max``  the largest intensity that the sensor writes, such as 1 or 255
``depth_scale``    units of a depth image per metre, such as 1000 for millimetres
``up``             the unit vector [x, y, z] that points up in the world of the poses, such as ``[0, -1, 0]``
``split_reasons``  why recordings were told apart: a dict from the reason to how many times
=================  ====================================================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_write import written_whole
from ..errors import StrlError
from .readers.whole_file import read_whole

FORMAT_VERSION = 1
RIGID_TOLERANCE = 1e-3  # for the entries of R R^T; published poses have about six digits

# A path leaves the root, on any system, if it starts with '/x', '\x', 'C:x' or 's3:x', or has a '..' part; '10:11:12/x'
# does not, since no drive or protocol begins with a digit. '://' in any place would make mmengine choose another file
# backend. No file name has a NUL in it. Control characters, and those that reorder a line, would forge lines of logs
# and terminals. Half a surrogate pair, which is how Python reads a byte of a name that is not UTF-8, cannot be written.
_CONTROL = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')
_LEAVES_ROOT = re.compile(r'^[/\\]|^[^\W\d]\w*:|(?:^|[/\\])\.\.(?:[/\\]|$)|://|[\x00\ud800-\udfff]')
_LIKE_A_DRIVE = re.compile(r'[^\W\d]\w*:')
_NOT_TEXT = (
    'bytes that are not UTF-8 text (Python reads them as half a surrogate pair). Rename the files and folders, for '
    'example with `convmv -r -f latin1 -t utf8 --notest FOLDER`'
)
MAX_INDEX_BYTES = 2**32  # ten million frames with poses are 3.4 GB
MAX_PATH_LENGTH = 4096  # Linux cannot open longer paths, and one would widen every row of the dataset's arrays of paths
MAX_PIXELS = 1e5  # limit of a focal length and of an image's centre; no depth camera has that many pixels in a row
MAX_TRANSLATION = 1e8  # metres, limit of a pose; coordinates from the centre of the earth are below 1e7

_REBUILD = 'Rebuild the sequence index with tools/create_sequence_index.py'


class SequenceIndexError(StrlError, ValueError):
    """A sequence index, or the data for one, cannot be used. The message names the file and the remedy."""


@dataclass
class FrameSequence:
    """The key frames of one recording, in time order.

    Attributes:
        sequence_id: Unique name within the index, without control characters.
        frames: N >= 1 different paths relative to the data's root, with '/' between the parts.
        poses: Float64 array (N, 4, 4) or None. Each maps homogeneous coordinates, in metres, from the frame's own axes
            to the world. The frame's axes are the lidar's, or the depth camera's with x right, y down and z forward.
            The source chooses the world, one per sequence.
        timestamps: Float64 array (N,) in seconds or None, relative to the sequence's own zero.
        intrinsics: Float64 array (3, 3) in pixels, ``[[fx, s, cx], [0, fy, cy], [0, 0, 1]]``, of the depth camera that
            took all frames; None if the frames are not depth images.
        label: Number of the frames' class in the index's ``classes``, counted from 0, or None.
    """

    sequence_id: str
    frames: list[str]
    poses: np.ndarray | None = None
    timestamps: np.ndarray | None = None
    intrinsics: np.ndarray | None = None
    label: int | None = None

    def check(self) -> None:
        """Raise a SequenceIndexError that names the sequence if an attribute is not as described."""
        name = f'sequence {self.sequence_id!r}'
        if not isinstance(self.sequence_id, str) or not self.sequence_id or len(self.sequence_id) > MAX_PATH_LENGTH:
            raise SequenceIndexError(f'{name[:60]} needs a string of 1 to {MAX_PATH_LENGTH} characters as sequence_id')
        if not _is_text(self.sequence_id):
            raise SequenceIndexError(f'{name} has a name with {_NOT_TEXT}')
        if has_control(self.sequence_id):
            raise SequenceIndexError(
                f'{name} has a control character, such as a line break, in its sequence_id. Rename the folder'
            )
        if not isinstance(self.frames, list) or not self.frames:
            raise SequenceIndexError(f'{name} has no frames')
        for frame in self.frames:
            if not isinstance(frame, str) or not frame:
                raise SequenceIndexError(f'{name} has {frame!r:.200} where a path is expected')
            if len(frame) > MAX_PATH_LENGTH:
                raise SequenceIndexError(f'{name} has a frame of {len(frame)} characters, {frame[:60]!r} and so on')
        if not _is_text(''.join(self.frames)):
            foreign = next(frame for frame in self.frames if not _is_text(frame))
            raise SequenceIndexError(f'{name} has the frame {foreign!r} with {_NOT_TEXT}')
        # The regular expression takes seconds for a million frames, and hardly any path has one of its characters.
        lines = '\n' + '\n'.join(self.frames)
        if any(sign in lines for sign in ('\n/', '\\', ':', '..', '\0')) or not lines.isascii():
            leaving = next(filter(leaves_root, self.frames), None)
            if leaving is not None and _LIKE_A_DRIVE.match(leaving):
                raise SequenceIndexError(
                    f'{name} has the frame {leaving!r}, which begins with a word and a colon, as a drive or an address '
                    'does, and so leaves the root of the data on some systems. Rename it, or make it the --root'
                )
            if leaving is not None:
                raise SequenceIndexError(
                    f'{name} has the frame {leaving!r}, which leaves the root of the data. '
                    "A frame's path must be relative to the root, without '..' and '://' in it"
                )
        if not ''.join(self.frames).isprintable():  # a quick test, which some harmless characters fail, too
            odd = next(filter(has_control, self.frames), None)
            if odd is not None:
                raise SequenceIndexError(f'{name} has the frame {odd!r} with a control character. Rename the file')
        if len(set(self.frames)) < len(self.frames):
            twice = next(frame for frame, number in Counter(self.frames).items() if number > 1)
            raise SequenceIndexError(f'{name} has the frame {twice!r} twice, so a pair could be one frame')
        for column, values, shape in (
            ('poses', self.poses, (len(self.frames), 4, 4)),
            ('timestamps', self.timestamps, (len(self.frames),)),
            ('intrinsics', self.intrinsics, (3, 3)),
        ):
            if values is None:
                continue
            if values.shape != shape:
                raise SequenceIndexError(f'{name} has {column} of shape {values.shape}, expected {shape}')
            if not np.isfinite(values).all():
                raise SequenceIndexError(f'{name} has {column} with NaN or Inf')
        if self.poses is not None and not are_rigid(self.poses):
            raise SequenceIndexError(
                f'{name} has poses that are not a rotation and a translation (4x4, last row 0 0 0 1, at most '
                f'{MAX_TRANSLATION:g} m from the origin)'
            )
        if self.intrinsics is not None and not are_intrinsics(self.intrinsics):
            raise SequenceIndexError(
                f'{name} has intrinsics that are not [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx and fy above 0'
            )
        # JSON's true becomes a bool, which is an int in Python.
        if self.label is not None and (isinstance(self.label, bool) or not isinstance(self.label, int)):
            raise SequenceIndexError(f'{name} has the label {self.label!r:.200} where a class number is expected')

    def to_json(self) -> str:
        """Return the sequence's line in the index."""
        columns: dict[str, Any] = {'sequence_id': self.sequence_id, 'frames': self.frames}
        for name in ('poses', 'timestamps', 'intrinsics'):
            values = getattr(self, name)
            if values is not None:
                columns[name] = values.tolist()
        if self.label is not None:
            columns['label'] = self.label
        return json.dumps(columns)

    @classmethod
    def from_columns(cls, columns: dict[str, Any]) -> FrameSequence:
        """Build a sequence from an entry of the index's ``data_list``. Other columns are ignored."""
        if not isinstance(columns, dict):
            raise SequenceIndexError(f'data_list holds {columns!r:.200} where a sequence is expected')
        try:
            arrays = {
                name: _numbers(columns[name])
                for name in ('poses', 'timestamps', 'intrinsics')
                if columns.get(name) is not None
            }
            sequence = cls(columns['sequence_id'], columns['frames'], **arrays, label=columns.get('label'))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            name = columns.get('sequence_id', 'without a sequence_id')
            raise SequenceIndexError(
                f'sequence {name!r:.200} has a missing or ragged column: {error!r:.500}'
            ) from error
        sequence.check()
        return sequence


def _numbers(column: Any) -> np.ndarray:
    """Return a parsed column as a float64 array; words such as "1.0" are not taken for numbers."""
    values = np.asarray(column)
    if values.dtype.kind not in 'iuf':
        raise ValueError('it holds something other than numbers')
    return values.astype(np.float64)


def are_rigid(poses: np.ndarray) -> bool:
    """Return whether poses (N, 4, 4) are rigid motions on earth, to the precision of a text file."""
    rotations = poses[:, :3, :3]
    # NaN fails every one of these. The first rules out what could overflow in the next ones.
    return (
        bool((np.abs(rotations) < 2).all())
        and bool((np.abs(poses[:, :3, 3]) <= MAX_TRANSLATION).all())
        and bool((np.abs(poses[:, 3] - (0, 0, 0, 1)) <= 1e-6).all())
        and bool((np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)) <= RIGID_TOLERANCE).all())
        and bool((np.linalg.det(rotations) > 0).all())
    )


def are_intrinsics(matrix: np.ndarray) -> bool:
    """Return whether a matrix (3, 3) can be a pinhole camera's: upper triangular, invertible, entries not too large."""
    return (
        bool((np.abs(matrix) <= MAX_PIXELS).all())  # NaN and Inf are not
        and bool((np.tril(matrix, -1) == 0).all())
        and matrix[2, 2] == 1
        and bool((matrix.diagonal() > 0).all())
    )


def leaves_root(path: str) -> bool:
    """Return whether a path could name something outside of its root, on any system."""
    return _LEAVES_ROOT.search(path) is not None


def _is_text(text: str) -> bool:
    """Return whether a text can be written; half a surrogate pair stands for a byte that is not UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def has_control(text: str) -> bool:
    """Return whether a text has characters that would end or reorder the line of a log, or cannot be written to one."""
    return _CONTROL.search(text) is not None


def check_metainfo(path: str | Path, metainfo: Any) -> None:
    """Check the parsed metainfo of an index.

    Raises:
        SequenceIndexError: If the metainfo is not a dict, has a later format, has a ``load_dim`` that is not an
            integer of at least 3, or states one of the module's facts wrongly. The message names the ``path``.
    """
    if not isinstance(metainfo, dict):
        raise SequenceIndexError(f'{path} has no metainfo. {_REBUILD}')
    if metainfo.get('format_version', FORMAT_VERSION) != FORMAT_VERSION:
        raise SequenceIndexError(
            f'{path} has the format {metainfo["format_version"]!r:.200}, but this version reads {FORMAT_VERSION}. '
            f'{_REBUILD}'
        )
    load_dim = metainfo.get('load_dim', 3)
    if not isinstance(load_dim, int) or load_dim < 3:
        raise SequenceIndexError(
            f'{path} has the load_dim {load_dim!r:.200}, expected an integer of at least 3 (x, y, z)'
        )
    _check_facts(path, metainfo)


def _check_facts(path: str | Path, metainfo: dict[str, Any]) -> None:
    """Check what the metainfo says about the frames, where it says it.

    Raises:
        SequenceIndexError: If one of the facts that the module describes has another type or an impossible value.
    """
    columns = metainfo.get('columns')
    if columns is not None:
        words = isinstance(columns, list) and all(isinstance(word, str) and word for word in columns)
        if not words or len(set(columns)) < len(columns) or len(columns) != metainfo.get('load_dim', len(columns)):
            raise SequenceIndexError(
                f'{path} has the columns {columns!r:.200}, expected load_dim={metainfo.get("load_dim")} different '
                f'names. {_REBUILD}'
            )
    for fact in ('intensity_max', 'depth_scale', 'largest_depth'):
        if fact in metainfo and not (_is_number(metainfo[fact]) and metainfo[fact] > 0):
            raise SequenceIndexError(
                f'{path} has the {fact} {metainfo[fact]!r:.200}, expected a number above 0. {_REBUILD}'
            )
    up = metainfo.get('up')
    if up is not None:
        numbers = isinstance(up, list) and len(up) == 3 and all(map(_is_number, up))
        if not numbers or abs(math.hypot(*up) - 1) > RIGID_TOLERANCE:
            raise SequenceIndexError(f'{path} has the up {up!r:.200}, expected a unit vector [x, y, z]. {_REBUILD}')
    reasons = metainfo.get('split_reasons')
    if reasons is not None and not (
        isinstance(reasons, dict) and all(type(number) is int and number > 0 for number in reasons.values())
    ):
        raise SequenceIndexError(
            f'{path} has the split_reasons {reasons!r:.200}, expected how many times for each reason. {_REBUILD}'
        )


def _is_number(value: Any) -> bool:
    """Return whether a value of JSON is a finite number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_labels(classes: Any, sequences: list[FrameSequence]) -> None:
    """Check that the labels of sequences, each valid on its own, fit the metainfo's ``classes``, if it has any.

    Raises:
        SequenceIndexError: If the classes are not a list of different words of one line, if some sequences have a label
            and others do not, or if a label is not in [0, len(classes)).
    """
    if classes is not None:
        if not isinstance(classes, list) or not classes or not all(isinstance(word, str) and word for word in classes):
            raise SequenceIndexError(f'the classes are {classes!r:.200} where a list of words is expected')
        odd = next((word for word in classes if has_control(word) or len(word) > MAX_PATH_LENGTH), None)
        if odd is not None:
            raise SequenceIndexError(f'the class {odd[:60]!r} is too long or has a control character')
        if len(set(classes)) < len(classes):
            raise SequenceIndexError(f'two of the classes have the same name: {classes!r:.200}')
    unlabelled = [sequence for sequence in sequences if sequence.label is None]
    if len(unlabelled) == len(sequences):
        return
    if unlabelled:
        raise SequenceIndexError(
            f'{len(unlabelled)} of {len(sequences)} sequences have no label (the first is '
            f'{unlabelled[0].sequence_id!r}), but the others do. Label all of them or none'
        )
    if classes is None:
        raise SequenceIndexError('the sequences have labels, but the metainfo has no classes')
    for sequence in sequences:
        assert sequence.label is not None
        if not 0 <= sequence.label < len(classes):
            raise SequenceIndexError(
                f'sequence {sequence.sequence_id!r} has the label {sequence.label}, but there are {len(classes)} '
                'classes, counted from 0'
            )


def check_names(sequences: list[FrameSequence]) -> None:
    """Raise a SequenceIndexError if two sequences have the same name. They may share frames."""
    names = Counter(sequence.sequence_id for sequence in sequences)
    if len(names) < len(sequences):
        twice = next(name for name, number in names.items() if number > 1)
        raise SequenceIndexError(f'two sequences have the name {twice!r}')


def write_sequence_index(path: str | Path, metainfo: dict[str, Any], sequences: Iterable[FrameSequence]) -> None:
    """Write an index in one piece: a reader sees the old file or the whole new one, never a part.

    Args:
        path: The file to write; its folder is made if it is missing.
        metainfo: Facts about the whole index. ``format_version`` and the numbers of sequences, frames and sequences
            with poses are added. If the sequences have labels, ``classes`` lists the names of their classes.
        sequences: The sequences, each with a different ``sequence_id``.

    Raises:
        SequenceIndexError: If there are no sequences, two have the same name, one is not valid, or labels do not fit
            the classes.
    """
    sequences = list(sequences)
    if not sequences:
        raise SequenceIndexError(f'{path} would hold no sequence')
    for sequence in sequences:
        sequence.check()
    check_names(sequences)
    check_labels(metainfo.get('classes'), sequences)
    metainfo = {
        'format_version': FORMAT_VERSION,
        **metainfo,
        'num_sequences': len(sequences),
        'num_frames': sum(len(sequence.frames) for sequence in sequences),
        'num_sequences_with_poses': sum(sequence.poses is not None for sequence in sequences),
    }

    with written_whole(path) as part, part.open('wb') as file:
        file.write(f'{{"metainfo": {json.dumps(metainfo)},\n"data_list": [\n'.encode())
        for i, sequence in enumerate(sequences):
            file.write(((',\n' if i else '') + sequence.to_json()).encode())
        file.write(b'\n]}\n')


def read_sequence_index(path: str | Path) -> tuple[dict[str, Any], list[FrameSequence]]:
    """Read and check the metainfo and the sequences of an index that ``tools/create_sequence_index.py`` wrote.

    Raises:
        SequenceIndexError: If the file is missing, is not an index, has a later format or lists nothing; if a path in
            it leaves the data's root; if two sequences have the same name; if a column does not fit its frames; or if
            labels do not fit the classes.
    """
    try:
        index = json.loads(read_whole(path, MAX_INDEX_BYTES).decode('utf-8'), object_pairs_hook=_without_repeats)
    except FileNotFoundError:
        raise SequenceIndexError(
            f'no sequence index at {path}. Make it with tools/create_sequence_index.py, or correct ann_file'
        ) from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise SequenceIndexError(f'{path} is not a readable sequence index ({reason}). {_REBUILD}') from error
    if not isinstance(index, dict) or not isinstance(index.get('data_list'), list):
        raise SequenceIndexError(f'{path} has no data_list. {_REBUILD}')
    metainfo = index.get('metainfo', {})
    check_metainfo(path, metainfo)
    if not index['data_list']:
        raise SequenceIndexError(f'{path} lists no sequence. {_REBUILD}')
    try:
        sequences = [FrameSequence.from_columns(columns) for columns in index['data_list']]
        check_names(sequences)
        check_labels(metainfo.get('classes'), sequences)
    except SequenceIndexError as error:
        raise SequenceIndexError(f'{path}: {error}') from error
    return metainfo, sequences


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make the dict of a JSON object. json would silently take the last of two values with the same name."""
    columns = dict(pairs)
    if len(columns) < len(pairs):
        raise ValueError(f'an object with the names {[name for name, _ in pairs][:9]} repeats one of them')
    return columns
