"""Sequences from plain folders of scans."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...sequence_index import FrameSequence, SequenceIndexError
from ..frame_order import stem_of
from ..linked_files import folders_below
from ..recordings import RecordingSplitter
from ..root_folder import require_folder
from ..times_file import find_times_file, read_times
from .scans import ScanLister, count_ends

KEY_FRAMES, BETWEEN = 'samples', 'sweeps'  # nuScenes' folders of a recording's key frames and of what lies between
OBJECT_LABELS, OBJECT_CALIBRATION = 'label_2', 'calib'
OBJECT_DIGITS = 6  # of the names of KITTI's object frames; Waymo's in the same layout have 7


def folder_sequences(
    root: Path, lister: ScanLister, splitter: RecordingSplitter | None = None
) -> Iterator[FrameSequence]:
    """Make a sequence for each recording in the folders that hold scans: the root and its subfolders at any depth.

    Links to folders are followed, each target once. nuScenes' ``samples`` and ``sweeps`` are one folder: a recording
    has frames in both.

    Args:
        root: The data's root.
        lister: How the scans of a folder are listed.
        splitter: How they are split into recordings; by default at gaps and by names, see :class:`RecordingSplitter`.

    Yields:
        Sequences named after their folder's path below the root ('.' for the root itself), followed by '#' and the
        recording's name if the folder holds several, without poses, in natural order of the folders. They have time
        stamps if the names of a recording's frames have them, or a file beside them.

    Raises:
        SequenceIndexError: If the root is not a folder, a scan cannot be used, a file of time stamps does not fit the
            scans, or a folder holds frames that are not recordings.
    """
    require_folder(root)
    splitter = splitter or RecordingSplitter()
    names: set[str] = set()
    for sequence_id, folders in _folders(root, lister).items():
        scans = [scan for folder in folders for scan in lister.scans(folder)]
        if not scans:
            continue
        stems = [stem_of(scan.name) for scan in scans]
        if splitter.split and not splitter.unrelated:
            _refuse_unrelated(folders[0], stems)
        times_file = find_times_file(folders[0]) if len(folders) == 1 and not splitter.unrelated else None
        times = read_times(times_file, stems) if times_file else None
        for recording in splitter.recordings(sequence_id, stems, times):
            key_frames = recording.places[:: lister.key_frame_every]
            usable = {scan.path for scan in lister.usable([scans[place] for place in key_frames])}
            places = [place for place in key_frames if scans[place].path in usable]
            if not places:
                continue
            name = f'{sequence_id}#{recording.name}' if recording.name else sequence_id
            if name in names:
                name = f'{name}#{stems[places[0]]}#{len(names)}'
            names.add(name)
            frames = [Path(scans[place].path).relative_to(root).as_posix() for place in places]
            yield FrameSequence(name, frames, timestamps=recording.timestamps(places))


def _folders(root: Path, lister: ScanLister) -> dict[str, list[Path]]:
    """List the folders below the root by the names of their sequences; `samples` and `sweeps` share one."""
    found: dict[str, list[Path]] = {}
    is_open = lister.ext is None
    listed = {path: count_ends(names if is_open else ()) for path, names in folders_below(root) if names}
    lister.choose_end(listed)
    for path in listed:
        parts = path.relative_to(root).parts
        twin = root.joinpath(*(_other_half(part) for part in parts))
        if twin != path and twin.is_dir():
            parts = tuple(f'{KEY_FRAMES}+{BETWEEN}' if part in (KEY_FRAMES, BETWEEN) else part for part in parts)
        found.setdefault(Path(*parts).as_posix(), []).append(path)
    return found


def _other_half(part: str) -> str:
    """Return `sweeps` for `samples` and the other way round; other names as they are."""
    return {KEY_FRAMES: BETWEEN, BETWEEN: KEY_FRAMES}.get(part, part)


def _refuse_unrelated(folder: Path, stems: list[str]) -> None:
    """Raise a SequenceIndexError for the frames of KITTI's object detection, which are of many drives in random order.

    They lie beside their labels, or beside a file of calibration each, and are named by numbers of six digits.
    """
    beside = next((name for name in (OBJECT_LABELS, OBJECT_CALIBRATION) if (folder.parent / name).is_dir()), None)
    if beside and len(stems) > 1 and all(len(stem) == OBJECT_DIGITS and stem.isdigit() for stem in stems):
        raise SequenceIndexError(
            f'{folder} lies beside {beside}: these are frames of KITTI object detection, which are not recordings, and '
            'two that follow each other show different places. Use kitti-raw with the raw drives, --unrelated to make '
            "an index for mode='spatial', or --no-split if you know that the frames are one recording"
        )
