"""Damaged inputs of every kind: each gives a clear error that names the file, or is skipped, counted and named.

A case is a kind of input, a damage and a seed. Nothing else may come of it: no other error, no endless wait, no NaN in
a view, and no pair less than there are key frames. ``STRL_BROKEN_INPUTS=5000`` tries as many random changes.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import torch
import trimesh
from depth_data import INTRINSICS, camera_pose, depth_image
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from PIL import Image
from tiny import tiny_detector, tiny_strl

from strl_mmdet3d.datasets import (
    FrameSequence,
    PairKey,
    SequenceIndexError,
    TemporalPairDataset,
    UnusablePairError,
    write_sequence_index,
)
from strl_mmdet3d.export import ExportError, export_encoder, read_checkpoint, save_exported, verify_export

SEEDS = range(2)
NUM_FRAMES, DAMAGED = 5, 2  # frames, and which of them is damaged
NUM_RANDOM = int(os.environ.get('STRL_BROKEN_INPUTS', '40'))  # random changes of files, and of the index
SECONDS = 60  # after which a case counts as endless
PAPER = Config.fromfile(Path(__file__).parents[2] / 'configs/_base_/augmentations/strl_paper.py')
VALUES = {'NaN': np.nan, 'Inf': np.inf, 'minus Inf': -np.inf, 'huge': 1e30, 'minus huge': -1e30}

Damage = Callable[[Path, np.random.Generator], None]


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
        write: Writes whole inputs into a folder.
        damaged: The file there that is damaged.
        use: Uses the inputs; it calls its second argument between opening and reading them, and gives the skipped ones.
        damages: The damages that only this kind has.
        harmless: The damages that lose nothing, or that nobody can tell from a whole file.
    """

    write: Callable[[Path], None]
    damaged: str
    use: Callable[[Path, Callable[[], None]], list[dict]]
    damages: dict[str, Damage]
    harmless: tuple[str, ...] = ()


# Damages that any file may have.

LATER = 'deleted after it was opened'


def truncate(path, rng):
    content = path.read_bytes()
    size = int(rng.integers(1, len(content) - 1))
    if path.suffix == '.bin':  # a scan that is cut between two points cannot be distinguished from a shorter one
        size -= size % 16 == 0
    if path.suffix == '.txt':  # nor a text that is cut between two lines, or within the last number
        size = content.index(b'\n', size // 2) + 5
    path.write_bytes(content[:size])


def put_a_folder(path, rng):
    path.unlink()
    path.mkdir()


def put_a_pipe(path, rng):
    path.unlink()
    os.mkfifo(path)


def delete(path, rng):
    path.unlink()


GENERAL: dict[str, Damage] = {
    'truncated': truncate,
    'empty': lambda path, rng: path.write_bytes(b''),
    'random bytes': lambda path, rng: path.write_bytes(rng.bytes(16 * int(rng.integers(1, 200)))),
    'missing': delete,
    LATER: delete,
    'a folder in its place': put_a_folder,  # for root, no permission is ever denied
    'a pipe in its place': put_a_pipe,
}


# Pairs of frames.


def use_pairs(root, between, load, augment=PAPER.depth_augmentation, **changes):
    """Draw an epoch of pairs, and give what was skipped for them."""
    view = dict(type='MultiView', load=[dict(type=load)], augment=augment)
    arguments = dict(data_root=str(root), ann_file='index.json', pipeline=[view], window=2)
    dataset = DATASETS.build(dict(type='TemporalPairDataset', **arguments | changes))
    between()
    skipped = []
    for item in range(len(dataset)):
        pair = dataset[PairKey(0, 0, item)]
        for name in ('view_1', 'view_2'):
            points = pair[name]['inputs']['points']
            assert len(points)
            assert torch.isfinite(points).all()
            assert points[:, :3].abs().max() < 1e6
        sample = pair['view_1']['data_samples']
        assert sample.num_redraws == len(sample.skipped)
        skipped += sample.skipped
    assert len(dataset) == NUM_FRAMES
    return skipped


def use_shapes(root, between):
    return use_pairs(root, between, 'LoadShape', PAPER.shape_augmentation, mode='spatial')


def write_index(root, frames, **columns):
    write_sequence_index(root / 'index.json', {}, [FrameSequence('s', frames, **columns)])


# Lidar scans.


def scan(number):
    return np.random.default_rng(number).uniform(1, 9, (41, 4)).astype(np.float32)


def write_scans(root):
    for number in range(NUM_FRAMES):
        scan(number).tofile(root / f'{number}.bin')
    write_index(root, [f'{number}.bin' for number in range(NUM_FRAMES)])


def write_posed_scans(root):
    write_scans(root)
    poses = np.stack([camera_pose(number) for number in range(NUM_FRAMES)])
    write_index(root, [f'{number}.bin' for number in range(NUM_FRAMES)], poses=poses)


def scan_with(value, column=None):
    def damage(path, rng):
        points = scan(0)
        points[rng.integers(41), rng.integers(4) if column is None else column] = value
        points.tofile(path)

    return damage


DROPPED = ('NaN', 'Inf', 'minus Inf')  # such returns of a scan are dropped and counted
SCAN_DAMAGES: dict[str, Damage] = {
    **{name: scan_with(value) for name, value in VALUES.items()},
    'float64': lambda path, rng: rng.normal(0, 9, (41, 4)).tofile(path),
    'integers': lambda path, rng: rng.integers(0, 99, (41, 4), dtype=np.int32).tofile(path),
    'three columns': lambda path, rng: scan(0)[:, :3].tofile(path),
    'no returns': lambda path, rng: np.zeros((41, 4), np.float32).tofile(path),
}

# Depth images.


def write_depth(root):
    for number in range(NUM_FRAMES):
        Image.fromarray(depth_image(number)).save(root / f'{number}.png')
    poses = np.stack([camera_pose(number) for number in range(NUM_FRAMES)])
    write_index(root, [f'{number}.png' for number in range(NUM_FRAMES)], poses=poses, intrinsics=INTRINSICS)


def image_of(make, **save):
    return lambda path, rng: Image.fromarray(make(rng)).save(path, **dict(format='PNG') | save)


def flip_a_byte(path, rng):
    content = bytearray(path.read_bytes())
    content[int(rng.integers(20, len(content) - 12))] ^= 0xFF  # behind the signature, before the end mark
    path.write_bytes(content)


DEPTH_DAMAGES: dict[str, Damage] = {
    'no depth': image_of(lambda rng: np.zeros((30, 40), np.uint16)),
    'half the size': image_of(lambda rng: depth_image(0)[::2, ::2].copy()),
    'twice the size': image_of(lambda rng: depth_image(0).repeat(2, 0).repeat(2, 1)),
    'turned': image_of(lambda rng: np.full((90, 30), 1000, np.uint16)),
    '8 bits': image_of(lambda rng: rng.integers(0, 256, (30, 40), np.uint8)),
    'colours': image_of(lambda rng: rng.integers(0, 256, (30, 40, 3), np.uint8)),
    'PGM of 8 bits': image_of(lambda rng: rng.integers(0, 256, (30, 40), np.uint8), format='PPM'),
    'float32': image_of(lambda rng: rng.normal(0, 1, (30, 40)).astype(np.float32), format='TIFF'),
    'a flipped byte': flip_a_byte,
}

# Shapes in archives.


def shapes(dtype=np.float32, columns=3):
    return np.random.default_rng(0).normal(size=(NUM_FRAMES, 30, columns)).astype(dtype)


def shapes_with(value):
    stored = shapes()
    stored[DAMAGED, 3, 1] = value
    return stored


def save_hdf5(path, **arrays):
    with h5py.File(path, 'w') as file:
        for name, array in arrays.items():
            file[name] = array


def archive_damages(save, name):
    """Damages of an archive that ``save`` writes, in the array called ``name``."""

    def of(make, name=name):
        return lambda path, rng: save(path, **{name: make()})

    return {
        **{value: of(lambda value=value: shapes_with(VALUES[value])) for value in VALUES},
        'integers': of(lambda: shapes().astype(int)),
        'texts': of(lambda: np.array([b'abc'] * NUM_FRAMES)),
        'two columns': of(lambda: shapes(columns=2)),
        'one dimension': of(lambda: shapes().ravel()),
        'no shapes': of(lambda: shapes()[:0]),
        'no points': of(lambda: shapes()[:, :0]),
        'fewer shapes': of(lambda: shapes()[:DAMAGED]),
    }


def write_archive(name, save, array):
    def write(root):
        save(root / name, **{array: shapes()})
        write_index(root, [f'{name}/{row:06d}' for row in range(NUM_FRAMES)])

    return write


ARCHIVE_KEPT = (LATER,)  # it was decoded when it was opened

# Shapes in files of their own.


def write_texts(root):
    for number in range(NUM_FRAMES):
        np.savetxt(root / f'{number}.txt', np.hstack([shapes()[number]] * 2), '%.4f', ',')
    write_index(root, [f'{number}.txt' for number in range(NUM_FRAMES)])


def replace_number(value):
    """Write another word for one of the coordinates."""

    def damage(path, rng):
        lines = path.read_text().splitlines()
        row = int(rng.integers(len(lines)))
        lines[row] = ','.join([value, *lines[row].split(',')[1:]])
        path.write_text('\n'.join(lines))

    return damage


TEXT_DAMAGES: dict[str, Damage] = {
    value: replace_number(value) for value in ('nan', 'inf', '-inf', '1e30', '1e300', 'abc', '', '1;2')
} | {
    'two columns': lambda path, rng: np.savetxt(path, shapes()[0][:, :2], '%.4f', ','),
    'spaces': lambda path, rng: np.savetxt(path, shapes()[0], '%.4f', ' '),
}


def write_meshes(suffix, **options):
    def write(root):
        for number in range(NUM_FRAMES):
            trimesh.creation.icosphere(1, 1 + number).export(root / f'{number}.{suffix}', **options)
        write_index(root, [f'{number}.{suffix}' for number in range(NUM_FRAMES)])

    return write


def mesh_of(change, **options):
    """Change the vertices and faces of a mesh, and write it without a look at what it is now."""

    def damage(path, rng):
        mesh = trimesh.creation.icosphere(1)
        vertices, faces = change(mesh.vertices.copy(), mesh.faces.copy(), rng)
        lines = ['OFF', f'{len(vertices)} {len(faces)} 0']
        lines += [' '.join(map(str, vertex)) for vertex in vertices]
        lines += [' '.join(map(str, (len(face), *face))) for face in faces]
        path.write_text('\n'.join(lines) + '\n')

    return damage


def vertex_with(value):
    def change(vertices, faces, rng):
        vertices[rng.integers(len(vertices)), rng.integers(3)] = value
        return vertices, faces

    return change


OFF_DAMAGES: dict[str, Damage] = {
    **{name: mesh_of(vertex_with(value)) for name, value in VALUES.items()},
    'beyond float32': mesh_of(vertex_with(1e300)),
    'faces of other vertices': mesh_of(lambda vertices, faces, rng: (vertices, faces + len(vertices))),
    'faces below 0': mesh_of(lambda vertices, faces, rng: (vertices, faces - 1)),
    'no faces': mesh_of(lambda vertices, faces, rng: (vertices, faces[:0])),
    'no area': mesh_of(lambda vertices, faces, rng: (vertices * 0, faces)),
    'no vertices': mesh_of(lambda vertices, faces, rng: (vertices[:0], faces)),
}

# The index itself.


def index_with(change):
    """Change what the index holds."""

    def damage(path, rng):
        index = json.loads(path.read_text())
        change(index, index['data_list'][0], rng)
        path.write_text(json.dumps(index))

    return damage


def pose_with(value):
    def change(index, sequence, rng):
        sequence['poses'][int(rng.integers(NUM_FRAMES))][int(rng.integers(3))][int(rng.integers(4))] = value

    return index_with(change)


INDEX_DAMAGES: dict[str, Damage] = {
    **{f'a pose with {name}': pose_with(value) for name, value in VALUES.items()},
    'a pose of words': pose_with('far'),
    'a pose of a large integer': pose_with(10**400),
    'a pose less': index_with(lambda index, sequence, rng: sequence['poses'].pop()),
    'no poses': index_with(lambda index, sequence, rng: sequence.pop('poses')),
    'no frames': index_with(lambda index, sequence, rng: sequence.update(frames=[])),
    'frames missing': index_with(lambda index, sequence, rng: sequence.pop('frames')),
    'a frame that is a number': index_with(lambda index, sequence, rng: sequence.update(frames=[3] * NUM_FRAMES)),
    'a frame above the root': index_with(lambda index, sequence, rng: sequence['frames'].append('../x.bin')),
    'an absolute frame': index_with(lambda index, sequence, rng: sequence['frames'].append('/etc/passwd')),
    'an address': index_with(lambda index, sequence, rng: sequence['frames'].append('http://host/x.bin')),
    'half a surrogate pair': index_with(lambda index, sequence, rng: sequence['frames'].append('\ud800')),
    'a very long frame': index_with(lambda index, sequence, rng: sequence['frames'].append('x' * 10**6)),
    'other frames': index_with(lambda index, sequence, rng: sequence.update(frames=['x.bin'] * NUM_FRAMES)),
    'huge time stamps': index_with(lambda index, sequence, rng: sequence.update(timestamps=[np.inf] * NUM_FRAMES)),
    'a sequence that is a list': index_with(lambda index, sequence, rng: index.update(data_list=[[1, 2]])),
    'no data_list': index_with(lambda index, sequence, rng: index.pop('data_list')),
    'metainfo that is a list': index_with(lambda index, sequence, rng: index.update(metainfo=[1])),
    'a later format': index_with(lambda index, sequence, rng: index['metainfo'].update(format_version=99)),
    'a load_dim of words': index_with(lambda index, sequence, rng: index['metainfo'].update(load_dim='4')),
    'a label without classes': index_with(lambda index, sequence, rng: sequence.update(label=0)),
    'deep brackets': lambda path, rng: path.write_text('[' * 10**5),
    'no JSON': lambda path, rng: path.write_text("{'metainfo': {}}"),
}

# Checkpoints.

WEIGHT = 'backbone.blocks.0.0.weight'


def write_checkpoint(root):
    torch.manual_seed(0)
    torch.save(dict(meta=dict(epoch=1), state_dict=MODELS.build(tiny_strl()).state_dict()), root / 'epoch_1.pth')


def write_exported(root):
    write_checkpoint(root)
    path = root / 'epoch_1.pth'
    save_exported(export_encoder(read_checkpoint(path), str(path)), root / 'encoder.pth')


def use_checkpoint(root, between):
    path = root / 'epoch_1.pth'
    checkpoint = read_checkpoint(path)
    between()
    save_exported(export_encoder(checkpoint, str(path)), root / 'encoder.pth')
    verify(root / 'encoder.pth')
    return []


def use_exported(root, between):
    between()
    verify(root / 'encoder.pth')
    return []


def verify(path):
    assert verify_export(path, Config(dict(model=ConfigDict(tiny_detector())))).landed


def tensors_with(change):
    def damage(path, rng):
        checkpoint = torch.load(path, weights_only=True)
        state_dict = checkpoint['state_dict']
        name = next(name for name in state_dict if name.endswith(WEIGHT) and not name.startswith('target'))
        metadata = state_dict._metadata
        change(checkpoint, state_dict, name)
        if hasattr(checkpoint.get('state_dict'), 'items'):
            checkpoint['state_dict']._metadata = metadata
        torch.save(checkpoint, path)

    return damage


def set_tensor(change):
    return tensors_with(lambda checkpoint, state_dict, name: state_dict.update({name: change(state_dict[name])}))


def first_value(value):
    def change(tensor):
        tensor.view(-1)[0] = value
        return tensor

    return set_tensor(change)


CHECKPOINT_DAMAGES: dict[str, Damage] = {
    'no state_dict': tensors_with(lambda checkpoint, state_dict, name: checkpoint.pop('state_dict')),
    'a state_dict of words': tensors_with(lambda checkpoint, *_: checkpoint.update(state_dict='abc')),
    'a word for a tensor': set_tensor(lambda tensor: 'abc'),
    'a number for a name': tensors_with(lambda checkpoint, state_dict, name: state_dict.update({3: torch.zeros(1)})),
    'a sparse tensor': set_tensor(lambda tensor: tensor.to_sparse()),
    'meta that is a list': tensors_with(lambda checkpoint, *_: checkpoint.update(meta=[1])),
    'no tensors': tensors_with(lambda checkpoint, state_dict, name: state_dict.clear()),
    'a list': lambda path, rng: torch.save([torch.zeros(3)], path),
    'a tensor': lambda path, rng: torch.save(torch.zeros(3), path),
    'another network': lambda path, rng: torch.save(dict(state_dict=torch.nn.Linear(2, 2).state_dict()), path),
}
DIVERGED: dict[str, Damage] = {name: first_value(value) for name, value in VALUES.items() if not np.isfinite(value)}
EXPORTED_DAMAGES: dict[str, Damage] = {
    'integers': set_tensor(lambda tensor: tensor.long()),
    'halves': set_tensor(lambda tensor: tensor.half()),
    'another shape': set_tensor(lambda tensor: tensor[:1].clone()),
    'another name': tensors_with(lambda c, state_dict, name: state_dict.update({f'{name}s': state_dict.pop(name)})),
}


def mesh_kind(suffix, damages=None, harmless=(), **options):
    return Kind(write_meshes(suffix, **options), f'{DAMAGED}.{suffix}', use_shapes, damages or {}, harmless)


KINDS = {
    'scan': Kind(write_scans, f'{DAMAGED}.bin', lambda *a: use_pairs(*a, 'LoadFrame'), SCAN_DAMAGES, DROPPED),
    'posed scan': Kind(
        write_posed_scans,
        f'{DAMAGED}.bin',
        lambda *a: use_pairs(*a, 'LoadFrame', align_poses=True),
        SCAN_DAMAGES,
        DROPPED,
    ),
    'depth image': Kind(
        write_depth, f'{DAMAGED}.png', lambda *a: use_pairs(*a, 'LoadDepthFrame', align_poses=True), DEPTH_DAMAGES
    ),
    'npz': Kind(
        write_archive('a.npz', np.savez, 'points'),
        'a.npz',
        use_shapes,
        archive_damages(np.savez, 'points'),
        ARCHIVE_KEPT,
    ),
    'compressed npz': Kind(
        write_archive('a.npz', np.savez_compressed, 'points'),
        'a.npz',
        use_shapes,
        archive_damages(np.savez_compressed, 'points'),
        ARCHIVE_KEPT,
    ),
    'hdf5': Kind(
        write_archive('a.h5', save_hdf5, 'data'), 'a.h5', use_shapes, archive_damages(save_hdf5, 'data'), ARCHIVE_KEPT
    ),
    'text': Kind(write_texts, f'{DAMAGED}.txt', use_shapes, TEXT_DAMAGES),
    'off': mesh_kind('off', OFF_DAMAGES),
    'ply of text': mesh_kind('ply', encoding='ascii'),
    'ply': mesh_kind('ply'),
    'obj': mesh_kind('obj', harmless=('truncated',)),  # it announces no number of lines
    'index': Kind(
        write_posed_scans,
        'index.json',
        lambda *a: use_pairs(*a, 'LoadFrame', align_poses=True),
        INDEX_DAMAGES,
        (LATER,),
    ),
    'checkpoint': Kind(write_checkpoint, 'epoch_1.pth', use_checkpoint, CHECKPOINT_DAMAGES | DIVERGED, (LATER,)),
    'exported': Kind(write_exported, 'encoder.pth', use_exported, CHECKPOINT_DAMAGES | EXPORTED_DAMAGES),
}
CASES = [
    (kind, damage, seed) for kind, inputs in KINDS.items() for damage, seed in product(GENERAL | inputs.damages, SEEDS)
]


@contextmanager
def not_endless() -> Iterator[None]:
    """Stop what waits for ever."""

    # What pytest raises is no Exception, so nothing on the way takes it for a damaged file.
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f'no end after {SECONDS} s'))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_there_are_as_many_cases_as_promised():
    assert len(CASES) >= 300


@pytest.mark.parametrize('kind', KINDS)
def test_whole_inputs_are_used_whole(tmp_path, kind):
    KINDS[kind].write(tmp_path)
    assert KINDS[kind].use(tmp_path, lambda: None) == []


@pytest.mark.filterwarnings('ignore::RuntimeWarning', 'ignore::UserWarning')
@pytest.mark.parametrize(('kind', 'damage', 'seed'), CASES)
def test_a_clear_error_or_a_counted_skip(tmp_path, kind, damage, seed):
    inputs = KINDS[kind]
    inputs.write(tmp_path)
    path = tmp_path / inputs.damaged
    change = (GENERAL | inputs.damages)[damage]

    def do():
        change(path, np.random.default_rng(seed))

    if damage != LATER:
        do()
    error = None
    with not_endless():
        try:
            skipped = inputs.use(tmp_path, do if damage == LATER else lambda: None)
        except (UnusablePairError, SequenceIndexError, ExportError) as clear:
            error = clear
    if error is not None:
        assert path.name in str(error)
        return
    if damage not in inputs.harmless:
        assert skipped
    for record in skipped:
        assert record['frame_path'].startswith(path.name)
        assert str(path) in record['reason']
        assert len(record['reason']) < 1000


# Random changes.

WORDS: list = [
    *(None, True, -1, 0, 1.5, 2**63, 10**30, float('nan'), float('inf'), [], {}, [[]], [None], ['0.bin'], {'a': 1}),
    *(
        '',
        'x',
        '1.0',
        '0.bin',
        '1.bin/',
        'a.npz/000001',
        '../x',
        '..',
        '/etc/passwd',
        'http://h/x',
        's3://b/x',
        'C:\\x',
    ),
    *('a\0', '\ud800', 'x\ny', '\x1b[31m', '[red]x[/red]', '{0}%s', '$x_{$', '\u202e', '日本', 'x' * 5000),
    *(np.eye(4).tolist(), np.zeros((4, 4)).tolist(), (2 * np.eye(4)).tolist(), np.eye(3).tolist()),
]
NAMES = ['poses', 'timestamps', 'intrinsics', 'label', 'frames', 'sequence_id', 'load_dim', 'classes', 'format_version']
SIZES = [0, 1, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]  # that a field of a header may be set to


def changed_bytes(content, rng):
    """Change a file in one to four places."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(changed))) if changed else 0
        at_most = int(rng.integers(1, 100))
        order = 'little' if rng.integers(2) else 'big'
        change = rng.integers(6)
        if change == 0:
            changed[at : at + 1] = bytes([int(rng.integers(256))])
        elif change == 1:
            del changed[at : at + at_most]
        elif change == 2:
            changed[at:at] = rng.bytes(at_most)
        elif change == 3:
            changed[at:at] = changed[int(rng.integers(len(changed) + 1)) :][:at_most]
        elif change == 4:
            changed[at : at + 4] = SIZES[rng.integers(len(SIZES))].to_bytes(4, order)
        else:
            digits = [place for place, byte in enumerate(changed) if byte in b'0123456789']
            if digits:
                changed[digits[rng.integers(len(digits))]] = b'0123456789-.e# \n'[rng.integers(16)]
    return bytes(changed)


def places(tree):
    """Yield every container of parsed JSON with each of its keys."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from places(tree[key])


def change_json(index, rng):
    """Replace, remove, repeat or add something in an index."""
    found = list(places(index))
    if rng.integers(3):  # most places are numbers of poses
        found = [(parent, key) for parent, key in found if not isinstance(parent[key], (int, float))]
    parent, key = found[rng.integers(len(found))]
    word = WORDS[rng.integers(len(WORDS))]
    change = rng.integers(4)
    if change == 0 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif change == 1 and isinstance(parent, dict):
        parent[NAMES[rng.integers(len(NAMES))]] = word
    elif change == 2:
        del parent[key]
    else:
        parent[key] = word


FILES = [kind for kind, inputs in KINDS.items() if inputs.damaged not in ('epoch_1.pth', 'encoder.pth')]


@pytest.mark.filterwarnings('ignore::RuntimeWarning', 'ignore::UserWarning')
@pytest.mark.parametrize('seed', range(NUM_RANDOM))
def test_random_changes_of_a_file(tmp_path, seed):
    rng = np.random.default_rng(seed)
    inputs = KINDS[FILES[seed % len(FILES)]]
    inputs.write(tmp_path)
    path = tmp_path / inputs.damaged
    path.write_bytes(changed_bytes(path.read_bytes(), rng))
    error, skipped = None, []
    with not_endless():
        try:
            skipped = inputs.use(tmp_path, lambda: None)
        except (UnusablePairError, SequenceIndexError) as clear:
            error = clear
    assert error is None or path.name in str(error)
    assert all(path.name == 'index.json' or record['frame_path'].startswith(path.name) for record in skipped)


@pytest.mark.filterwarnings('ignore::RuntimeWarning', 'ignore::UserWarning')
@pytest.mark.parametrize('seed', range(NUM_RANDOM))
def test_random_changes_of_an_index_are_refused_or_taken_as_they_are(tmp_path, seed):
    rng = np.random.default_rng(seed)
    (write_posed_scans, write_depth, write_archive('a.npz', np.savez, 'points'))[seed % 3](tmp_path)
    path = tmp_path / 'index.json'
    index = json.loads(path.read_text())
    change_json(index, rng)
    path.write_text(json.dumps(index))
    arguments = dict(ann_file=str(path), data_root=str(tmp_path), pipeline=[lambda pair: pair], mode='spatial')
    error = None
    with not_endless():
        try:
            table = TemporalPairDataset(**arguments).table
        except (UnusablePairError, SequenceIndexError) as clear:
            error = clear
    if error is not None:
        assert path.name in str(error) or 'a.npz' in str(error)
        return
    sequences = index['data_list']
    assert [table.sequence_id(s) for s in range(table.num_sequences)] == [each['sequence_id'] for each in sequences]
    for s, each in enumerate(sequences):
        start, end = table.starts[s], table.starts[s + 1]
        assert [table.frame(s, number) for number in range(end - start)] == each['frames']
        for frame in each['frames']:
            assert os.path.commonpath([tmp_path, os.path.normpath(tmp_path / frame)]) == str(tmp_path)
        if each.get('poses') is not None:
            assert np.array_equal(table.poses[start:end], each['poses'])
        if each.get('intrinsics') is not None:
            assert np.array_equal(table.intrinsics[s], each['intrinsics'])
