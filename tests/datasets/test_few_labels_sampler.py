"""GT sampling where the labelled frames lack classes, on which mmdet3d's own sampler stops."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from mmdet3d.registry import TRANSFORMS
from mmengine.config import Config

GROUPS = dict(Car=12, Pedestrian=6, Cyclist=6)


def thing(root, name, number, points=20, difficulty=0):
    """An object of a database, with its points."""
    path = f'{name}_{number}.bin'
    np.full((points, 4), 0.1, np.float32).tofile(root / path)
    box = np.array([5.0 + 10 * number, 3.0 * len(name), -1, 4, 2, 1.5, 0])
    return dict(name=name, path=path, box3d_lidar=box, num_points_in_gt=points, difficulty=difficulty)


def sampler(root, database, kind='FewLabelsSampler'):
    (root / 'db.pkl').write_bytes(pickle.dumps(database))
    loader = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4)
    prepare = dict(filter_by_difficulty=[-1], filter_by_min_points=dict(Car=5, Pedestrian=10, Cyclist=10))
    return TRANSFORMS.build(
        dict(
            type=kind,
            info_path=str(root / 'db.pkl'),
            data_root=str(root),
            rate=1.0,
            prepare=prepare,
            sample_groups=dict(GROUPS),
            classes=['Pedestrian', 'Cyclist', 'Car'],
            points_loader=loader,
        )
    )


def sample(one):
    return one.sample_all(np.zeros((0, 7)), np.zeros(0, np.int64))


@pytest.mark.parametrize(
    ('lacking', 'error'),
    [('missing', KeyError), ('empty', ValueError), ('few points', ValueError), ('too hard', ValueError)],
)
def test_a_class_without_usable_objects_is_not_pasted(tmp_path, lacking, error):
    database = dict(Car=[thing(tmp_path, 'Car', k) for k in range(2)], Pedestrian=[thing(tmp_path, 'Pedestrian', 0)])
    database['Cyclist'] = {
        'few points': [thing(tmp_path, 'Cyclist', 0, points=3)],
        'too hard': [thing(tmp_path, 'Cyclist', 0, difficulty=-1)],
    }.get(lacking, [])
    if lacking == 'missing':
        del database['Cyclist']
    with pytest.raises(error):
        sample(sampler(tmp_path, database, 'DataBaseSampler'))
    one = sampler(tmp_path, database)
    assert one.sample_classes == ['Car', 'Pedestrian']
    assert one.sample_groups == [dict(Car=12), dict(Pedestrian=6)]
    for _ in range(5):
        assert {0, 2} >= set(sample(one)['gt_labels_3d'])


def test_without_any_object_nothing_is_pasted(tmp_path):
    assert sample(sampler(tmp_path, {})) is None


def test_with_all_classes_it_is_the_stock_sampler(tmp_path):
    database = {name: [thing(tmp_path, name, k) for k in range(3)] for name in GROUPS}
    results = []
    for kind in ('DataBaseSampler', 'FewLabelsSampler'):
        np.random.seed(0)
        results.append(sample(sampler(tmp_path, database, kind)))
    for key in ('gt_labels_3d', 'gt_bboxes_3d', 'group_ids'):
        np.testing.assert_array_equal(results[0][key], results[1][key])


@pytest.mark.parametrize('name', ['pvrcnn_kitti_scratch', 'pointpillars_kitti_from_strl', 'second_kitti_from_strl'])
def test_our_configs_sample_so(name):
    config = Config.fromfile(f'configs/downstream/{name}.py')
    steps = config.train_dataloader.dataset.dataset.pipeline
    (step,) = (step for step in steps if step.type == 'ObjectSample')
    assert step.db_sampler.type == 'FewLabelsSampler'
    assert step.db_sampler.info_path.endswith('kitti_dbinfos_train.pkl')
