"""Small sequences on disk."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index

NUM_POINTS = 40


@pytest.fixture
def make_sequences(tmp_path):
    """Write sequences of the given lengths; the reflectance of every point is the number of its frame."""

    def make(*lengths, with_poses=False, folder='data', **metainfo):
        root = tmp_path / folder
        sequences, rng, number = [], np.random.default_rng(0), 0
        for s, length in enumerate(lengths):
            (root / f's{s}').mkdir(parents=True)
            frames = [f's{s}/{i}.bin' for i in range(length)]
            for frame in frames:
                points = rng.uniform(1, 9, (NUM_POINTS, 4)).astype(np.float32)
                points[:, 3] = number
                points.tofile(root / frame)
                number += 1
            poses = np.tile(np.eye(4), (length, 1, 1))
            poses[:, 0, 3] = 2.0 * np.arange(length)  # two metres forward a frame
            sequences.append(FrameSequence(f's{s}', frames, poses if with_poses else None))
        index = tmp_path / ('index.json' if folder == 'data' else f'{folder}.json')
        write_sequence_index(index, {'load_dim': 4, **metainfo}, sequences)
        return SimpleNamespace(root=root, index=index, sequences=sequences)

    return make
