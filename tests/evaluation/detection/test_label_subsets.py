"""Label subsets: nested, stratified, a pure function of the seed, rounded up."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.detection.label_subsets import (
    LabelledFrames,
    frames_of,
    infos_with,
    size_text,
    stratified_order,
    subset_sizes,
)

STRATA = st.lists(st.sampled_from([(), ('Car',), ('Car', 'Cyclist'), ('Pedestrian',)]), min_size=1, max_size=60)
SEEDS = st.integers(0, 2**32 - 1)
CATEGORIES = dict(Pedestrian=0, Cyclist=1, Car=2, Van=3, DontCare=-1)


def info_file(frames: dict) -> dict:
    """An info file: id -> labels."""
    data_list = [
        dict(sample_idx=name, instances=[dict(bbox_label_3d=label) for label in labels])
        for name, labels in frames.items()
    ]
    return dict(metainfo=dict(categories=CATEGORIES, dataset='kitti'), data_list=data_list)


@given(STRATA, SEEDS)
def test_an_order_has_each_item_once_and_repeats_itself(strata, seed):
    order = stratified_order(strata, seed)
    assert sorted(order) == list(range(len(strata)))
    assert order == stratified_order(strata, seed)


@given(STRATA, SEEDS)
def test_each_beginning_holds_each_stratum_in_proportion(strata, seed):
    """Up to the same place t, each stratum of n items has given t n of them, to within half an item."""
    sizes = Counter(strata)
    order = stratified_order(strata, seed)
    for count in range(1, len(strata) + 1):
        taken = Counter(strata[position] for position in order[:count])
        # Each stratum confines t to an interval; all of them must have a place in common.
        low = max(Fraction(2 * taken[name] - 1, 2 * size) for name, size in sizes.items())
        high = min(Fraction(2 * taken[name] + 1, 2 * size) for name, size in sizes.items())
        assert low <= high


@given(STRATA, SEEDS, st.data())
def test_fewer_frames_are_a_part_of_more(strata, seed, data):
    frames = LabelledFrames(list(range(100, 100 + len(strata))), strata)
    fewer, more = sorted(data.draw(st.tuples(*[st.integers(1, len(strata))] * 2)))
    assert set(frames.choose(fewer, seed)) <= set(frames.choose(more, seed))
    assert len(frames.choose(fewer, seed)) == fewer
    assert frames.choose(more, seed) == sorted(frames.choose(more, seed)), 'not in the order of the file'


def test_another_seed_chooses_other_frames():
    frames = LabelledFrames(list(range(40)), [('Car',)] * 40)
    assert len({tuple(frames.choose(4, seed)) for seed in range(10)}) == 10


@given(st.lists(st.sampled_from([0.1, 1, 5, 7.3, 10, 20, 50, 99.9, 100]), min_size=1), st.integers(1, 5000))
def test_percentages_are_rounded_up(percentages, total):
    sizes = subset_sizes(percentages, total)
    assert list(sizes) == sorted(sizes)
    assert sorted(percent for same in sizes.values() for percent in same) == sorted(set(percentages))
    for frames, same in sizes.items():
        for percent in same:
            assert 1 <= frames <= total
            exact = Fraction(str(percent)) * total / 100
            assert exact <= frames < exact + 1


def test_sizes_by_hand():
    assert subset_sizes([1, 5, 10, 20, 100], 20) == {1: [1, 5], 2: [10], 4: [20], 20: [100]}
    assert size_text(1, [1, 5]) == '1 and 5 % (1 frame)'
    assert size_text(12, [12.5]) == '12.5 % (12 frames)'


@pytest.mark.parametrize('percent', [0, -1, 100.5, float('nan')])
def test_a_percentage_out_of_range_is_refused(percent):
    with pytest.raises(ConfigError, match=r'--labels are per cent of the frames, above 0 and at most 100, not'):
        subset_sizes([percent], 10)


def test_frames_and_their_classes_are_read_from_an_info_file():
    infos = info_file({7: [2, 2, -1], 8: [0, 3], 9: []})
    frames = frames_of(infos, 'i.pkl')
    assert frames == LabelledFrames([7, 8, 9], [('Car',), ('Pedestrian', 'Van'), ()])
    assert frames_of(infos, 'i.pkl', ['Pedestrian', 'Cyclist', 'Car']).classes == [('Car',), ('Pedestrian',), ()]
    assert [info['sample_idx'] for info in infos_with(infos, [9, 7])['data_list']] == [7, 9]
    assert infos_with(infos, [9])['metainfo'] == infos['metainfo']


def test_a_frame_without_a_number_is_known_by_its_points():
    """SUN RGB-D's info files have no sample_idx."""
    entry = dict(lidar_points=dict(lidar_path='000001.bin'), instances=[dict(bbox_label_3d=0)])
    assert frames_of(dict(metainfo=dict(categories=dict(bed=0)), data_list=[entry]), 'i.pkl').ids == ['000001.bin']


@pytest.mark.parametrize(
    ('infos', 'said'),
    [
        ([dict(image=0)], r'old.pkl is not an info file of labelled frames in the format of mmdet3d 1.1'),
        (dict(metainfo={}, data_list=[]), r"KeyError: 'categories'\): prepare the data"),
        (info_file({}), 'old.pkl lists no frames'),
        (dict(info_file({}), data_list=info_file({4: []})['data_list'] * 2), 'old.pkl lists frame 4 twice'),
    ],
)
def test_another_format_is_refused(infos, said):
    with pytest.raises(ConfigError, match=said):
        frames_of(infos, 'old.pkl')
