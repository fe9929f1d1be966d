"""SUN RGB-D without MATLAB: from the official download to the points and info files that mmdet3d 1.4 reads.

It replaces the toolbox's ``read3dPoints.m``, VoteNet's ``extract_split.m`` and ``extract_rgbd_data_v2.m``, and
mmdet3d's ``create_data.py sunrgbd``, and keeps their conventions. All points and boxes are in **upright depth** axes,
in metres: x to the right, y forward, z up against gravity, the origin at the camera. Two things differ. The calibration
keeps its full precision (``dlmwrite`` rounds it to five digits, which moves a point by up to 0.1 mm). An image that
cannot be used is left out with a reason, while the MATLAB script continues without a message.

The ``.mat`` files are read with :func:`scipy.io.loadmat`, which builds arrays and structs and unpickles nothing, so it
runs no code. SciPy does not harden it against crafted files, which may crash it: take the official files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import mmengine
import numpy as np
from mmdet3d.datasets import SUNRGBDDataset
from PIL import Image, UnidentifiedImageError
from scipy.io import loadmat

from strl_mmdet3d.atomic_write import written_whole
from strl_mmdet3d.errors import StrlError
from strl_mmdet3d.file_list import further_files, is_file_list, list_files, what_is_lost
from strl_mmdet3d.locks import locked

CLASSES: tuple[str, ...] = SUNRGBDDataset.METAINFO['classes']
SPLITS = {'train': 'alltrain', 'val': 'alltest'}  # mmdet3d's name, and the variable in allsplit.mat
NUM_POINTS = 50_000  # as mmdet3d's converter stores; VoteNet takes 20,000 of them
MAX_DEPTH = 8.0  # metres; the toolbox sets larger depths to this
ROTATION_TOLERANCE = 1e-3  # of the entries of R R^T
METADATA_FOLDERS = ('.', 'SUNRGBDtoolbox/Metadata')  # where mmdet3d's guide and the toolbox keep it
SPLIT_FILE = 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat'
RECORD = '.prepared_sunrgbd.json'  # lists all files with their sizes
OUTPUTS = ('points', 'sunrgbd_trainval', *(f'sunrgbd_infos_{split}.pkl' for split in SPLITS), RECORD)  # moved in order
COMPLETE = '.complete_sunrgbd'  # the folder in OUT from which they are moved

# From x right, y forward, z up to the camera's own x right, y down, z forward.
_DEPTH_TO_CAMERA = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


class SunRgbdError(StrlError, ValueError):
    """The download or the output folder cannot be used. The message names the file and the remedy."""


class BadImageError(StrlError, ValueError):
    """One image cannot be used; the others can. The message names the file."""


@dataclass(frozen=True)
class Scene:
    """One labelled RGB-D image.

    Attributes:
        number: Its place in the official meta data, from 1; it names the files, as ``000001.bin``.
        split: 'train', or 'val' for the images of SUN RGB-D's test set.
        rgb_path: The colour image.
        depth_path: The depth image, on the same pixels.
        intrinsics: Float64 (3, 3) matrix K, in pixels counted from 1.
        rtilt: Float64 (3, 3) rotation from the camera's axes (x right, y forward, z up) to upright depth.
        instances: The labelled objects of the ten classes, each as mmdet3d's info files hold it.
    """

    number: int
    split: str
    rgb_path: Path
    depth_path: Path
    intrinsics: np.ndarray
    rtilt: np.ndarray
    instances: list[dict[str, Any]]


def decode_depth(encoded: np.ndarray) -> np.ndarray:
    """Decode a depth image as the toolbox does.

    The millimetres are stored rotated left by three bits.

    Args:
        encoded: Uint16 (H, W).

    Returns:
        Float64 (H, W), metres from 0 (the sensor saw nothing) to 8.
    """
    millimetres = (encoded >> 3) | (encoded << 13)
    return np.minimum(millimetres / 1000, MAX_DEPTH)


def back_project(
    rows: np.ndarray, columns: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray, rtilt: np.ndarray
) -> np.ndarray:
    """Return the points that pixels see.

    Args:
        rows: (N,) from 0, downwards.
        columns: (N,) from 0, to the right.
        depth: (N,) metres along the optical axis.
        intrinsics: (3, 3) matrix K; its skew is not used, as in the toolbox.
        rtilt: (3, 3) rotation from the camera's axes (x right, y forward, z up) to upright depth.

    Returns:
        Float64 (N, 3), upright depth, in metres.
    """
    # MATLAB counts from 1, and K was calibrated for that: the pixels of mmdet3d's own samples fall on 1..W and 1..H.
    right = (columns + 1 - intrinsics[0, 2]) * depth / intrinsics[0, 0]
    down = (rows + 1 - intrinsics[1, 2]) * depth / intrinsics[1, 1]
    return np.stack([right, depth, -down], axis=1) @ rtilt.T


def read_scenes(root: Path) -> tuple[list[Scene], list[str]]:
    """Read the official meta data and split.

    Args:
        root: The folder with ``SUNRGBD/`` (SUNRGBD.zip), ``SUNRGBDMeta3DBB_v2.mat``, ``SUNRGBDMeta2DBB_v2.mat`` (both
            may be in ``SUNRGBDtoolbox/Metadata/`` too) and ``SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat``.

    Returns:
        The scenes in the official order, and one line for each image or object that is left out, with the reason: an
        image in neither split, or an object of the ten classes whose labels are not finite or whose 2D box is missing.

    Raises:
        SunRgbdError: If a file is missing, in MATLAB's v7.3 format, damaged, or another file than its name says.
    """
    if not (root / 'SUNRGBD').is_dir():
        raise SunRgbdError(f'no folder {root / "SUNRGBD"}. Extract SUNRGBD.zip in {root}, or correct --root')
    split_of = _read_split(root / SPLIT_FILE)
    file_3d, file_2d = (_metadata_file(root, f'SUNRGBDMeta{kind}BB_v2.mat') for kind in ('3D', '2D'))
    metadata_3d = _structs(
        _load(file_3d, 'SUNRGBDMeta'), file_3d, ('depthpath', 'rgbpath', 'K', 'Rtilt', 'groundtruth3DBB')
    )
    metadata_2d = _structs(_load(file_2d, 'SUNRGBDMeta2DBB'), file_2d, ('groundtruth2DBB',))
    if len(metadata_3d) != len(metadata_2d):
        raise SunRgbdError(
            f'{file_3d} lists {len(metadata_3d)} images, {file_2d} lists {len(metadata_2d)}. Download both again'
        )

    scenes, left_out = [], []
    for number, (entry, entry_2d) in enumerate(zip(metadata_3d, metadata_2d, strict=True), start=1):
        depth_path = _below_root(entry['depthpath'], file_3d)
        split = split_of.get(depth_path.parent.parent)
        if split is None:
            left_out.append(f'image {number}: {depth_path.parent.parent} is in neither split of {SPLIT_FILE}')
            continue
        boxes_3d = _structs(entry['groundtruth3DBB'], file_3d, ('classname', 'centroid', 'coeffs', 'orientation'))
        boxes_2d = _structs(entry_2d['groundtruth2DBB'], file_2d, ('classname', 'gtBb2D'))
        instances, notes = read_instances(boxes_3d, boxes_2d)
        left_out.extend(f'image {number}: {note}' for note in notes)
        scenes.append(
            Scene(
                number=number,
                split=split,
                rgb_path=root / _below_root(entry['rgbpath'], file_3d),
                depth_path=root / depth_path,
                intrinsics=_numbers(entry['K'], (3, 3)),
                rtilt=_numbers(entry['Rtilt'], (3, 3)),
                instances=instances,
            )
        )
    return scenes, left_out


def read_instances(
    boxes_3d: list[dict[str, Any]], boxes_2d: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Take an image's objects of the ten classes from the official labels.

    Args:
        boxes_3d: ``groundtruth3DBB``: ``classname``, ``centroid`` (3,), ``coeffs`` (3,) half sizes of either sign, and
            ``orientation`` (3,), the direction that the object faces. All in upright depth axes, in metres.
        boxes_2d: ``groundtruth2DBB``, in the same order: ``classname`` and ``gtBb2D`` (4,): x, y, width, height.

    Returns:
        Instances with ``bbox_3d`` (centre x, y, z, sizes along the box's own x, y, z, and yaw from +x towards +y),
        ``bbox`` (x1, y1, x2, y2 in pixels), ``bbox_label_3d`` and ``bbox_label``; and a line for each object that is
        left out.
    """
    instances, left_out = [], []
    for i, box in enumerate(boxes_3d):
        name = box['classname']
        if name not in CLASSES:
            continue
        centroid, coeffs, orientation = (_numbers(box[key], (3,)) for key in ('centroid', 'coeffs', 'orientation'))
        # As in mmdet3d's converter, the first one is half the width, across the direction that the object faces.
        size = 2 * np.abs(coeffs[[1, 0, 2]])
        yaw = np.arctan2(orientation[1], orientation[0])
        bbox_3d = np.concatenate([centroid, size, [yaw]])

        same = i < len(boxes_2d) and boxes_2d[i]['classname'] == name
        x, y, width, height = _numbers(boxes_2d[i]['gtBb2D'] if same else (), (4,))
        bbox = np.array([x, y, x + width, y + height])
        if not np.isfinite(bbox_3d).all():
            left_out.append(f'object {i + 1}, a {name}, has a 3D box of {bbox_3d.tolist()}')
        elif not np.isfinite(bbox).all():
            left_out.append(f'object {i + 1}, a {name}, has no 2D box')
        else:
            label = CLASSES.index(name)
            instances.append(dict(bbox=bbox.tolist(), bbox_3d=bbox_3d.tolist(), bbox_label=label, bbox_label_3d=label))
    return instances, left_out


def convert_scene(scene: Scene, folder: Path) -> dict[str, Any]:
    """Write the points and the image of a scene.

    50,000 of the pixels with depth are drawn at random, the same ones each time; with replacement if there are fewer.
    They are stored as float32 records: x, y, z in metres, then r, g, b from 0 to 1.

    Args:
        scene: The scene.
        folder: Gets ``points/NNNNNN.bin`` and ``sunrgbd_trainval/image/NNNNNN.jpg``; both folders exist.

    Returns:
        The scene's entry in mmdet3d's info file, built from plain Python values.

    Raises:
        BadImageError: If an image is missing, truncated, without depth or not 16-bit, the two images differ in size, or
            the calibration is singular.
    """
    intrinsics, rtilt = scene.intrinsics, scene.rtilt
    if not (np.isfinite(intrinsics).all() and intrinsics[0, 0] > 0 and intrinsics[1, 1] > 0):
        raise BadImageError(f'{scene.depth_path}: the meta data give the singular intrinsics {intrinsics.tolist()}')
    if not np.allclose(rtilt @ rtilt.T, np.eye(3), atol=ROTATION_TOLERANCE):
        raise BadImageError(f'{scene.depth_path}: the meta data give an Rtilt that is not a rotation, {rtilt.tolist()}')
    depth = decode_depth(_read_depth(scene.depth_path))
    colour = _read_colour(scene.rgb_path)
    if colour.shape[:2] != depth.shape:
        raise BadImageError(
            f'{scene.depth_path} has (height, width) {depth.shape}, but {scene.rgb_path} {colour.shape[:2]}'
        )
    rows, columns = np.nonzero(depth)
    if not len(rows):
        raise BadImageError(f'{scene.depth_path} has no pixel with depth')

    rng = np.random.default_rng(scene.number)
    kept = rng.choice(len(rows), NUM_POINTS, replace=len(rows) < NUM_POINTS)
    rows, columns = rows[kept], columns[kept]
    xyz = back_project(rows, columns, depth[rows, columns], intrinsics, rtilt)
    points = np.concatenate([xyz, colour[rows, columns] / 255], axis=1).astype(np.float32)

    name = f'{scene.number:06d}'
    (folder / 'points' / f'{name}.bin').write_bytes(points.tobytes())  # tofile does not say that a disk is full
    shutil.copyfile(scene.rgb_path, folder / 'sunrgbd_trainval' / 'image' / f'{name}.jpg')
    return dict(
        images=dict(
            CAM0=dict(
                img_path=f'{name}.jpg',
                height=depth.shape[0],
                width=depth.shape[1],
                depth2img=(intrinsics @ _DEPTH_TO_CAMERA @ rtilt.T).tolist(),
            )
        ),
        lidar_points=dict(num_pts_feats=6, lidar_path=f'{name}.bin'),
        instances=scene.instances,
    )


def convert_scenes(scenes: list[Scene], folder: Path) -> Iterator[tuple[Scene, BadImageError | None]]:
    """Write the whole data set below a folder: points, images, and at the end the two info files.

    One core takes 0.06 s for an image of 730 x 530. Threads, as in mmdet3d's converter, were not faster.

    Args:
        scenes: All scenes.
        folder: An empty folder.

    Yields:
        Each scene, in turn, with None, or with the reason why it is left out.

    Raises:
        SunRgbdError: If no scene can be used. Then the info files are not written.
    """
    (folder / 'points').mkdir()
    (folder / 'sunrgbd_trainval' / 'image').mkdir(parents=True)
    infos: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    reason = None
    for scene in scenes:
        try:
            infos[scene.split].append(convert_scene(scene, folder))
        except BadImageError as error:
            reason = error
            yield scene, error
        else:
            yield scene, None
    if not any(infos.values()):
        raise SunRgbdError(f'none of the {len(scenes)} images can be used; the last: {reason}')
    for split, data_list in infos.items():
        metainfo = dict(
            categories={name: label for label, name in enumerate(CLASSES)}, dataset='sunrgbd', info_version='1.1'
        )
        mmengine.dump(dict(metainfo=metainfo, data_list=data_list), folder / f'sunrgbd_infos_{split}.pkl')


@contextmanager
def prepared_whole(out: Path) -> Iterator[Path]:
    """Fill mmdet3d's SUN RGB-D folder by `written_whole`: a run that fails leaves nothing in it.

    The folder may hold other things, as mmdet3d's ``data/sunrgbd`` holds ``OFFICIAL_SUNRGBD``. The caller holds the
    lock, see `preparing`.

    Args:
        out: The folder; created if it is missing.

    Yields:
        An empty folder within ``out``, to write to. When all is written, `OUTPUTS` move to ``out``, info files and the
        record of all files last.

    Raises:
        SunRgbdError: If ``out`` holds prepared data, which is never overwritten.
    """
    refuse_prepared(out)
    complete = out / COMPLETE
    with written_whole(complete) as part:
        part.mkdir()
        yield part
        (part / RECORD).write_text(json.dumps(dict(files=list_files(part)), indent=0) + '\n')
    _move_outputs(out)


@contextmanager
def preparing(out: Path) -> Iterator[None]:
    """Hold the lock of a folder that SUN RGB-D is prepared in.

    Raises:
        LockedError: If another process prepares it.
    """
    # Within the folder, because the one above it need not be writable.
    with locked(out / 'sunrgbd_trainval', 'preparing SUN RGB-D'):
        yield


def finish_killed_run(out: Path) -> bool:
    """Move the outputs of a run that was killed after all was written, and remove those of one that was not.

    Returns:
        Whether there were outputs to move, so that the data is prepared now.

    Raises:
        SunRgbdError: If other files have their names.
    """
    complete = out / COMPLETE
    if not (complete / RECORD).is_file():
        shutil.rmtree(complete, ignore_errors=True)
        return False
    _move_outputs(out)
    return True


def _move_outputs(out: Path) -> None:
    """Move what is complete to its place. The record goes last, so a killed run can be finished by another call."""
    complete = out / COMPLETE
    for name in OUTPUTS:
        if (complete / name).exists():
            if (out / name).exists():
                raise SunRgbdError(f'{out / name} is in the way of {complete / name}. Delete one of the two')
            (complete / name).rename(out / name)
    complete.rmdir()


def refuse_prepared(out: Path) -> None:
    """Refuse a folder that holds prepared data, and say whether it is whole.

    Raises:
        SunRgbdError: If an output exists.
    """
    present = [name for name in OUTPUTS if (out / name).exists()]
    if not present:
        return
    remedy = f'Delete {", ".join(present)} in {out} to prepare it again, or choose another --out'
    if RECORD not in present:
        raise SunRgbdError(f'{out / present[0]} exists already, and no {RECORD} says what it should hold. {remedy}')
    try:
        files = json.loads((out / RECORD).read_text(encoding='utf-8'))['files']
    except (ValueError, TypeError, KeyError):
        files = None
    if not is_file_list(files):
        raise SunRgbdError(f'{out / RECORD} is damaged, so nothing shows whether the data is whole. {remedy}')
    lost = what_is_lost(out, files)
    if lost:
        raise SunRgbdError(f'{out} no longer holds all prepared data: {lost}. {remedy}')
    folders = {PurePosixPath(name).parts[0] for name in files}
    added = [name for name in further_files(out, files) if name != RECORD and PurePosixPath(name).parts[0] in folders]
    note = f', and {len(added)} others, such as {added[0]}' if added else ''
    raise SunRgbdError(
        f'{out / present[0]} exists already: {out} holds all {len(files)} prepared files{note}. {remedy}'
    )


def _metadata_file(root: Path, name: str) -> Path:
    """Return the path of one of the two meta data files."""
    for folder in METADATA_FOLDERS:
        if (root / folder / name).is_file():
            return root / folder / name
    raise SunRgbdError(f'no {name} in {root} or {root / METADATA_FOLDERS[-1]}. Download it from rgbd.cs.princeton.edu')


def _load(path: Path, variable: str) -> Any:
    """Read a variable of a ``.mat`` file: structs as dicts, arrays of structs and cells as lists or arrays."""
    try:
        variables = loadmat(path, simplify_cells=True, variable_names=[variable])
    except NotImplementedError as error:
        raise SunRgbdError(
            f"{path} is in MATLAB's v7.3 format (HDF5); the official file is of v7 or earlier. Download it again, or "
            f"save it again in MATLAB with save(..., '-v7')"
        ) from error
    except Exception as error:  # of a truncated file, SciPy raises five kinds, IndexError among them
        raise SunRgbdError(f'{path} is not a readable .mat file ({error}). Download it again') from error
    if variable not in variables:
        raise SunRgbdError(f'{path} has no variable {variable}: it is not the official file. Download it again')
    return variables[variable]


def _structs(value: Any, path: Path, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    """Make a list from a struct, an array of structs or an empty array, as MATLAB stores it, and check the fields."""
    structs = [value] if isinstance(value, dict) else list(np.ravel(value))
    for struct in structs:
        missing = [field for field in fields if not isinstance(struct, dict) or field not in struct]
        if missing:
            raise SunRgbdError(
                f'{path} has an entry without {", ".join(missing)}: it is not the official v2 file. Download it again'
            )
    return structs


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Make a float64 array of this shape; it is filled with NaN if the value has another shape, such as empty."""
    array = np.asarray(value)
    if array.shape != shape or array.dtype.kind not in 'iuf':
        return np.full(shape, np.nan)
    return array.astype(np.float64)


def _read_split(path: Path) -> dict[PurePosixPath, str]:
    """Read the split of each folder."""
    if not path.is_file():
        raise SunRgbdError(f'no {path}. Extract SUNRGBDtoolbox.zip in {path.parents[2]}, or correct --root')
    split_of = {}
    for split, variable in SPLITS.items():
        for folder in np.ravel(_load(path, variable)):
            split_of[_below_root(folder, path)] = split
    return split_of


def _below_root(official: Any, source: Path) -> PurePosixPath:
    """Take 'SUNRGBD/kv2/...' from a path on the authors' disk, such as '/n/fs/sun3d/data/SUNRGBD/kv2/...'."""
    parts = PurePosixPath(str(official)).parts
    if 'SUNRGBD' not in parts or '..' in parts:
        raise SunRgbdError(f'{source} names {str(official)!r}, not a path below SUNRGBD/. Download it again')
    return PurePosixPath(*parts[parts.index('SUNRGBD') :])


def _read_depth(path: Path) -> np.ndarray:
    """Read a depth image as it is stored, uint16 (H, W)."""
    image = _open(path)
    if image.mode not in ('I;16', 'I'):  # Pillow before 11 reads 16 bits as 'I'
        raise BadImageError(f'{path} is not a 16-bit grey image, its mode is {image.mode}')
    return np.asarray(image).astype(np.uint16)


def _read_colour(path: Path) -> np.ndarray:
    """Read a colour image, uint8 (H, W, 3)."""
    return np.asarray(_open(path).convert('RGB'))


def _open(path: Path) -> Image.Image:
    """Decode an image."""
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise BadImageError(f'{path} is missing') from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImageError(f'{path} is truncated or not an image ({error})') from error
