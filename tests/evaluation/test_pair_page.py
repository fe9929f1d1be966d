"""The page of pairs: what happens to each point, what each transform did, and that the page can be turned by mouse."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64decode
from html import unescape

import numpy as np
import pytest
from depth_data import write_scene
from made_sequences import write_drive
from mmdet3d.registry import TRANSFORMS
from mmengine.config import Config
from scipy.spatial import cKDTree

from strl_mmdet3d.datasets import FrameSequence, PairKey, write_sequence_index
from strl_mmdet3d.datasets.sources import DepthFrameLister, scannet_sequences
from strl_mmdet3d.evaluation.pair_page import CLASSES, MOVED_CLASS, pairs_page
from strl_mmdet3d.evaluation.pair_trace import CROPPED, CUT_OUT, DROPPED, KEPT, OUT_OF_RANGE
from strl_mmdet3d.evaluation.point_viewer import BY_HEIGHT, HEIGHT, WIDTH
from strl_mmdet3d.evaluation.traced_pair import build_pairs, build_traced_dataset

RANGE = [-30, -30, -3, 30, 30, 1]
AUGMENT = [
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=1.0),
    dict(type='GlobalRotScaleTrans', rot_range=[-0.5, 0.5], scale_ratio_range=[0.9, 1.1]),
    dict(type='PointsRangeFilter'),
    dict(type='RandomCropPoints', prob=1.0, min_points=10),
    dict(type='RandomCutoutPoints', side=(0.5, 0.6), prob=1.0, min_points=10),  # large enough to cut something out
    dict(type='RandomDropPoints', prob=1.0),
]
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync']
FLAGS += ['--disable-component-update']
TURN = """<script>
const canvas = document.querySelector('canvas'), before = canvas.dataset.view, first = canvas.toDataURL();
const act = (name, target, right, down) =>
  target.dispatchEvent(new PointerEvent(name, {clientX: right, clientY: down, bubbles: true}));
act('pointerdown', canvas, 100, 100); act('pointermove', window, 150, 80); act('pointerup', window, 150, 80);
act('pointermove', window, 300, 300);
const turned = canvas.toDataURL();
const box = canvas.getBoundingClientRect(), said = new Set();
for (let right = 5; right < box.width; right += 5) {
  act('pointermove', canvas, box.left + right, box.top + box.height / 2);
  said.add(canvas.parentElement.querySelector('output').textContent);
}
document.querySelector('input[data-class="0"]').click();
const counts = [...document.querySelectorAll('canvas')].map(each => {
  const pixels = each.getContext('2d').getImageData(0, 0, each.width, each.height).data;
  return pixels.filter((value, n) => n % 4 === 0 && value < 200).length;
});
document.title = JSON.stringify({before, after: [...document.querySelectorAll('canvas')].map(c => c.dataset.view),
  changed: first !== turned, hides: turned !== canvas.toDataURL(), counts, said: [...said],
  narrow: document.documentElement.scrollWidth <= innerWidth});
</script></body>"""


def config_of(root, load=None, augment=AUGMENT, pair=(), keys=('points',), **dataset):
    view = dict(
        type='MultiView',
        load=[load or dict(type='LoadFrame')],
        augment=augment,
        pair=pair,
        pack=[dict(type='PointShuffle'), dict(type='Pack3DDetInputs', keys=list(keys))],
    )
    pairs = dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', window=3, pipeline=[view])
    return Config(dict(train_dataloader=dict(dataset=pairs | dataset, sampler=dict(type='PairSampler'))))


def traced(config, index=3):
    key = PairKey(0, 0, index)
    dataset, _, tracer = build_traced_dataset(config)
    return dataset[key], tracer.traces[-2:], pairs_page(dataset, [key], tracer, 'a title')


def clouds_of(page):
    return [json.loads(unescape(text)) for text in re.findall(r'data-cloud="([^"]*)"', page)]


def test_each_point_is_followed_from_the_frame_to_the_view(tmp_path):
    write_drive(tmp_path)
    config = config_of(tmp_path, align_poses=True, point_cloud_range=RANGE)
    pair, traces, page = traced(config)
    plain = build_pairs(config)[0][PairKey(0, 0, 3)]
    for name, trace in zip(('view_1', 'view_2'), traces, strict=True):
        points = pair[name]['inputs']['points']
        # The views are the ones of the training, and the last channel says where their points come from.
        np.testing.assert_array_equal(points[:, :-1], plain[name]['inputs']['points'])
        rows = points[:, -1].long().numpy()
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(trace.fate == KEPT))
        raw = np.fromfile(tmp_path / f'{plain[name]["data_samples"].frame_path}', np.float32).reshape(-1, 4)
        np.testing.assert_array_equal(points[:, 3], raw[rows, 3])  # its intensity
        assert set(np.unique(trace.fate)) == {KEPT, OUT_OF_RANGE, CROPPED, CUT_OUT, DROPPED}
        beyond = np.abs(trace.coords[:, :2]).max(axis=1) > 30
        assert (trace.fate[beyond] == OUT_OF_RANGE).all()
        said = dict(trace.steps)
        assert said['RandomFlip3D'].startswith('mirrored')
        assert re.fullmatch(r'turned by -?[\d.]+ degrees about z, scaled by [\d.]+', said['GlobalRotScaleTrans'])
        assert re.fullmatch(r'removed [\d,]+ of [\d,]+ points', said['RandomCropPoints'])
        assert said['PointShuffle'] == 'changed the order'
        assert said['RandomCropPoints'] in page
    assert traces[0].sensor.tolist() == [0, 0, 0]
    assert 0.9 < np.abs(traces[1].sensor[0]) < 2.1  # 1 m a frame
    assert re.search(r'[12] frames, 0\.[12]0 s, [12]\.00 m apart, aligned', page)


def test_both_frames_lie_upon_each_other_when_they_are_aligned(tmp_path):
    write_drive(tmp_path)
    _, traces, _ = traced(config_of(tmp_path, align_poses=True, augment=[]))
    walls = [trace.coords[trace.coords[:, 2] > 0.5] for trace in traces]
    assert (cKDTree(walls[1]).query(walls[0])[0] < 0.3).mean() > 0.6


@TRANSFORMS.register_module(force=True)
class MarkRight:
    """Mark what is to the right as moved, as MarkMoved marks what has."""

    def __call__(self, frames):
        for frame in frames.values():
            frame['pts_semantic_mask'] = (frame['points'].coord[:, 1] < 0).long().numpy()
            frame['pts_instance_mask'] = frame['pts_semantic_mask'] - 1
        return frames


def test_regions_and_moved_points_have_their_own_marks(tmp_path):
    write_drive(tmp_path)
    pair = [dict(type='MarkRight'), dict(type='DrawRegions', count=5)]
    keys = ('points', 'gt_bboxes_3d', 'gt_labels_3d', 'pts_semantic_mask', 'pts_instance_mask')
    config = config_of(tmp_path, augment=AUGMENT[:2], pair=pair, keys=keys, align_poses=True)
    _, traces, page = traced(config)
    for trace in traces:
        assert trace.marks is not None
        assert len(trace.regions) == 5
    clouds = clouds_of(page)
    assert [len(cloud['regions']) for cloud in clouds] == [5] * 4
    kinds = [set(np.frombuffer(b64decode(cloud['classes']), np.uint8).tolist()) for cloud in clouds]
    assert all(MOVED_CLASS in kind for kind in kinds)
    assert kinds[2] == {MOVED_CLASS, BY_HEIGHT}
    assert 'moved</label>' in page
    assert 'region</label>' in page


def test_the_points_of_the_page_are_those_of_the_views(tmp_path):
    write_drive(tmp_path)
    pair, _, page = traced(config_of(tmp_path, point_cloud_range=RANGE))
    clouds = clouds_of(page)
    assert [cloud['box'] for cloud in clouds] == [RANGE] * 4
    low, high = np.array(clouds[2]['low']), np.array(clouds[2]['high'])
    coords = low + np.frombuffer(b64decode(clouds[2]['points']), '<u2').reshape(-1, 3) * (high - low) / 65535
    np.testing.assert_allclose(coords, pair['view_1']['inputs']['points'][:, :3], atol=1e-3)


def test_depth_frames_are_followed_too(tmp_path):
    write_scene(tmp_path / 'room', range(5))
    write_sequence_index(tmp_path / 'index.json', {}, scannet_sequences(tmp_path, DepthFrameLister()))
    augment = [dict(type='PointSample', num_points=200)]
    config = config_of(tmp_path, dict(type='LoadDepthFrame', height=True), augment, align_poses=True)
    pair, traces, page = traced(config)
    for name, trace in zip(('view_1', 'view_2'), traces, strict=True):
        assert pair[name]['inputs']['points'].shape == (200, 5)
        assert (trace.fate == KEPT).sum() == 200
        assert trace.sensor.tolist() == pytest.approx(trace.sensor_in_view.tolist())
    assert traces[0].sensor.tolist() == [0, 0, 0]
    assert f'removed {len(traces[0].fate) - 200:,} of {len(traces[0].fate):,} points' in page


def test_one_frame_twice_and_no_augmentation(tmp_path):
    write_drive(tmp_path)
    assert 'one frame twice' in traced(config_of(tmp_path, mode='spatial', point_cloud_range=RANGE))[2]
    _, traces, page = traced(config_of(tmp_path, mode='temporal', point_cloud_range=RANGE))
    assert 'RandomCropPoints' not in page
    assert set(np.unique(traces[0].fate)) == {KEPT, OUT_OF_RANGE}


def test_names_are_only_text_and_nothing_is_fetched(tmp_path):
    name = '"><img src=x onerror=alert(1)></script>'
    write_drive(tmp_path, sequence_id=name)
    page = traced(config_of(tmp_path, augment=[]))[2]
    assert '<img' not in page
    assert page.count('</script>') == 1
    assert '&lt;img src=x onerror=alert(1)&gt;' in page
    assert not re.search(r'https?://|src=[^x]|href=|@import|url\(', page)


def test_a_mixture_names_the_source_of_a_pair(tmp_path):
    for n, folder in enumerate('ab'):
        (tmp_path / folder).mkdir()
        np.random.default_rng(n).normal(0, 5, (100, 4)).astype(np.float32).tofile(tmp_path / folder / f'{folder}.bin')
        sequence = FrameSequence('s', [f'{folder}.bin'])
        write_sequence_index(tmp_path / folder / 'index.json', dict(load_dim=4), [sequence])
    parts = []
    for folder, n in (('a', 50), ('b', 60)):
        box = [-n, -n, -n, n, n, n]
        config = config_of(tmp_path / folder, augment=[], mode='spatial', point_cloud_range=box)
        parts.append(config.train_dataloader)
    config = Config(dict(train_dataloader=parts[0]))
    config.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[part.dataset for part in parts])
    dataset, _, tracer = build_traced_dataset(config)
    clouds = clouds_of(pairs_page(dataset, [PairKey(0, 0, 1)], tracer, 'a title'))
    assert clouds[0]['box'] == [-60, -60, -60, 60, 60, 60]


@pytest.mark.skipif(CHROMIUM is None, reason='no Chromium (apt-get install chromium)')
def test_a_browser_opens_the_page_and_turns_it(tmp_path):
    write_drive(tmp_path, num_frames=3)
    page = traced(config_of(tmp_path, point_cloud_range=RANGE), index=1)[2]
    file = tmp_path / 'page.html'
    file.write_text(page.replace('</body>', TURN))
    size = '--window-size=500,900'  # no less than Chromium allows
    command = [CHROMIUM, *FLAGS, size, f'--user-data-dir={tmp_path / "profile"}', '--dump-dom', file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    seen = json.loads(unescape(re.search(r'<title>(.*?)</title>', done.stdout, re.DOTALL)[1]))
    assert seen['before'] == '0.500 0.900 1.000'
    assert seen['after'] == ['1.000 0.700 1.000'] * 4  # 50 pixels to the right and 20 up; all turn, and stop
    assert seen['changed']
    assert seen['hides']
    assert seen['narrow']
    places = [re.fullmatch(r'x (\S+), y (\S+), z (\S+) m: ([a-z ]+)', said) for said in seen['said'] if said]
    assert len(places) > 3
    assert all(abs(float(place[1])) < 42 and place[4] in CLASSES for place in places)
    assert all(100 < count < WIDTH * HEIGHT for count in seen['counts'][2:])
