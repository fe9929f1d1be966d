"""The figure: every arm has its own look, legends lie outside, and an incomplete comparison can be drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip('matplotlib')

from strl_mmdet3d.evaluation.detection.comparison import differences_to, interval_of
from strl_mmdet3d.evaluation.detection.comparison_figure import draw_comparison
from strl_mmdet3d.evaluation.detection.comparison_table import Comparison

ARMS = ['scratch', 'finetuned-a', 'finetuned-b', 'frozen-a', 'frozen-b', 'frozen-random']


def comparison(seeds: int = 4) -> Comparison:
    values = {
        arm: {frames: {seed: number * frames + seed % 3 for seed in range(seeds)} for frames in (1, 4, 20)}
        for number, arm in enumerate(ARMS)
    }
    pairs = [(arm, 'scratch') for arm in ARMS[1:]] + [('frozen-a', 'frozen-random'), ('frozen-b', 'frozen-random')]
    return Comparison(
        'small', 'KITTI/Overall_3D', 9, {1: [1, 5], 4: [20], 20: [100]}, values, differences_to(values, pairs)
    )


def bars(axes):
    return {bar.get_label(): bar for bar in axes.containers}


def test_points_and_bars_are_the_means_and_the_intervals():
    content = comparison()
    left, right = draw_comparison(content).axes
    for arm in ARMS:
        line, _, (ends,) = bars(left)[arm]
        for frames, y, ((_, low), (_, high)) in zip((1, 4, 20), line.get_ydata(), ends.get_segments(), strict=True):
            interval = interval_of(content.values[arm][frames])
            assert (y, low, high) == pytest.approx((interval.mean, interval.low, interval.high))
    line = bars(right)['frozen-a \N{MINUS SIGN} frozen-random'][0]
    assert list(line.get_ydata()) == pytest.approx([-2, -8, -40])


def test_arms_differ_in_grey_and_a_difference_to_scratch_looks_as_its_arm():
    left, right = draw_comparison(comparison()).axes
    for axes in (left, right):
        looks = [(bar[0].get_marker(), bar[0].get_linestyle()) for bar in bars(axes).values()]
        assert len(set(looks)) == len(looks)
    for arm in ARMS[1:]:
        above, below = bars(left)[arm][0], bars(right)[f'{arm} \N{MINUS SIGN} scratch'][0]
        assert (above.get_color(), above.get_marker()) == (below.get_color(), below.get_marker())


def test_axes_have_units():
    left, right = draw_comparison(comparison()).axes
    assert (left.get_ylabel(), right.get_ylabel()) == ('Overall_3D [%]', 'paired difference [percentage points]')
    shares = {'scratch': {1: {0: 0.2, 1: 0.4}}}
    (left,) = draw_comparison(Comparison('small', 'mAP_0.25', 9, {1: [5]}, shares, [])).axes
    assert left.get_xlabel() == 'mAP_0.25 (0 to 1)'


def test_every_seed_is_a_dot():
    content = comparison()
    left, right = draw_comparison(content).axes
    for axes, values in ((left, [content.values[arm] for arm in ARMS]), (right, None)):
        groups = [dots.get_offsets()[:, 1].tolist() for dots in axes.collections if len(dots.get_offsets()) > 1]
        if values is not None:
            assert groups == [list(of[frames].values()) for of in values for frames in (1, 4, 20)]
        else:
            # The first arm after scratch is better by the number of frames, whatever the seed.
            assert groups[:3] == [[frames] * 4 for frames in (1, 4, 20)]


def of_one_subset() -> Comparison:
    content = comparison()
    values = {arm: {4: of[4]} for arm, of in content.values.items()}
    pairs = [(arm, 'scratch') for arm in ARMS[1:]]
    return replace(content, sizes={4: [20]}, values=values, differences=differences_to(values, pairs))


def test_with_one_label_subset_an_arm_is_a_row_with_its_name_and_its_difference_stands_beside_it():
    content = of_one_subset()
    figure = draw_comparison(content)
    assert figure.get_supxlabel() == 'with 20 % of the labels, 4 frames'
    for axes, names in zip(figure.axes, [ARMS, [f'{arm} \N{MINUS SIGN} scratch' for arm in ARMS[1:]]], strict=True):
        assert [label.get_text() for label in axes.get_yticklabels()] == names
        rows = dict(zip(names, axes.get_yticks(), strict=True))
        for arm in ARMS[1:]:
            name = next(name for name in names if name.split()[0] == arm)
            line, _, (ends,) = bars(axes)[name]
            ((low, y), (high, _)) = ends.get_segments()[0]
            assert y == line.get_ydata()[0] == rows[name] == ARMS.index(arm)
            numbers = content.values[arm][4]
            if name != arm:
                numbers = {seed: value - content.values['scratch'][4][seed] for seed, value in numbers.items()}
            interval = interval_of(numbers)
            assert (line.get_xdata()[0], low, high) == pytest.approx((interval.mean, interval.low, interval.high))
            dots = [each.get_offsets() for each in axes.collections if each.get_offsets()[0, 1] == y + 0.25]
            assert dots[0][:, 0].tolist() == list(numbers.values())


@pytest.mark.parametrize('missing', ARMS)
def test_rows_of_arms_that_were_not_run_stay_empty(missing):
    content = of_one_subset()
    figure = draw_comparison(replace(content, values=content.values | {missing: {}}))
    figure.draw_without_rendering()
    assert missing not in bars(figure.axes[0])
    assert len(figure.axes[0].get_yticks()) == len(ARMS)


def test_legends_lie_outside_of_the_axes():
    figure = draw_comparison(comparison())
    figure.draw_without_rendering()
    assert len(figure.subfigs) == 2
    for part in figure.subfigs:
        legend, axes = part.legends[0].get_window_extent(), part.axes[0]
        assert 0 <= legend.y0 <= legend.y1 <= axes.xaxis.label.get_window_extent().y0
        assert part.bbox.x0 <= legend.x0 <= legend.x1 <= part.bbox.x1


def test_both_axes_have_one_height_though_one_arm_more_is_drawn_than_differences():
    content = comparison()
    content = replace(content, differences=[each for each in content.differences if each.baseline == 'scratch'])
    figure = draw_comparison(content)
    figure.draw_without_rendering()
    left, right = (axes.get_window_extent() for axes in figure.axes)
    assert (left.y0, left.y1) == pytest.approx((right.y0, right.y1), abs=0.5)


def test_the_title_names_the_seeds_or_how_many_there_are_where_they_differ():
    content = of_one_subset()
    assert 'of the mean over seeds 0-3;' in draw_comparison(content).get_suptitle()
    fewer = content.values | {'frozen-a': {4: {0: 1.0, 1: 2.0}}}
    assert 'of the mean over 2 to 4 seeds;' in draw_comparison(replace(content, values=fewer)).get_suptitle()


@pytest.mark.parametrize('seeds', [0, 1, 2])
def test_few_seeds_can_be_drawn(seeds):
    draw_comparison(comparison(seeds)).draw_without_rendering()


def test_what_data_calls_itself_is_never_interpreted():
    figure = draw_comparison(
        Comparison('$x', 'a/$_{b', 3, {1: [1]}, {'$\\frac$': {1: {0: 1.0, 1: 2.0}}}, [], num_missing=1)
    )
    figure.draw_without_rendering()
    assert figure.get_suptitle().startswith('$x\n')
    assert 'runs missing: 1' in figure.get_suptitle()
