"""A page of training pairs to be turned by mouse: what becomes of each frame's points, and the views made of them.

The page is one file that needs no network. Needs the extra 'vis'.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape

import numpy as np
from mmengine.config import Config
from torch.utils.data import Dataset

from ..datasets import FrameSequence, PairKey, PairSampler, TemporalPairDataset, read_sequence_index
from ..datasets.temporal_pair_dataset import pair_datasets
from ..datasets.transforms.mark_moved import MOVED
from ..datasets.transforms.views import VIEWS
from .pair_figure import build_pairs
from .pair_trace import FATES, KEPT, PairTracer, Trace
from .point_viewer import BY_HEIGHT, SCRIPT, STYLE, Cloud, clouds_html
from .report import PAGE, table

MAX_SHOWN = 60_000  # points of a cloud; all of a scan's would make the page several times larger
MOVED_CLASS = len(FATES)
CLASSES = (*FATES, 'moved')
COLOURS = ((68, 119, 170), (200, 200, 200), (238, 119, 51), (170, 51, 119), (120, 120, 120), (220, 20, 20))
HELP = 'Turn by mouse; the four pictures turn together. Shift moves, the wheel zooms, a double click goes back.'


def build_traced_dataset(config: Config) -> tuple[Dataset, PairSampler, PairTracer]:
    """Build the training set and the sampler of a config as `build_pairs` does, and trace the set's points."""
    dataset, sampler, stages = build_pairs(config)
    tracer = PairTracer()
    for stage in stages:
        tracer.watch(stage)
    return dataset, sampler, tracer


def pairs_page(dataset: Dataset, keys: Iterable[PairKey], tracer: PairTracer, title: str) -> str:
    """Return the page of some pairs, as HTML."""
    parts = [STYLE, f'<p>{HELP}</p>\n']
    parts += [pair_html(dataset, key, tracer, group) for group, key in enumerate(keys)]
    page = PAGE.format(title=escape(title), parts='\n'.join([*parts, SCRIPT]))
    return page.encode('utf-8', 'replace').decode()


def pair_html(dataset: Dataset, key: PairKey, tracer: PairTracer, group: int) -> str:
    """Return the part of the page about a pair: the frames above, the views below, and what was done."""
    tracer.traces.clear()
    pair = dataset[key]
    traces = tracer.traces[-2:]
    samples = [pair[view]['data_samples'] for view in VIEWS]
    sources = [sample.metainfo for sample in samples]
    part = part_of(dataset, sources)
    box = part.point_cloud_range
    frames = [frame_cloud(trace, source, box) for trace, source in zip(traces, sources, strict=True)]
    views = [view_cloud(name, pair[name], trace, box) for name, trace in zip(VIEWS, traces, strict=True)]
    heading = f'{sources[0]["sequence_id"]}: item {key.index}, epoch {key.epoch}, seed {key.seed}'
    unusable = f'{sources[0]["num_redraws"]} unusable pairs before it'
    lines = [f'mode {part.mode!r}', describe_gap(part, sources), unusable]
    return '\n'.join(
        [
            f'<h2>{escape(heading)}</h2>',
            f'<p>{escape("; ".join(lines))}</p>',
            legend(traces, group),
            clouds_html([*frames, *views], group, COLOURS),
            steps_table(traces),
        ]
    )


def frame_cloud(trace: Trace, source: dict, box: object) -> Cloud:
    """Return a raw frame, coloured by what becomes of its points."""
    shown = evenly(len(trace.coords))
    classes = trace.fate.copy()
    if trace.marks is not None:
        classes[(trace.marks == MOVED) & (classes == KEPT)] = MOVED_CLASS
    counts = ', '.join(f'{(trace.fate == n).sum():,} {name}' for n, name in enumerate(FATES) if (trace.fate == n).any())
    caption = f'frame {source["frame_index"]}: {source["frame_path"]}: {counts}{_of_shown(shown, len(trace.coords))}'
    regions = trace.regions if trace.regions is not None else np.empty((0, 3))
    return Cloud(caption, trace.coords[shown], classes[shown], trace.sensor, regions, box)  # type: ignore[arg-type]


def view_cloud(name: str, packed: dict, trace: Trace, box: object) -> Cloud:
    """Return a view, coloured by height, with the points that have moved in their own colour."""
    coords = packed['inputs']['points'][:, :3].numpy()
    sample = packed['data_samples']
    classes = np.full(len(coords), BY_HEIGHT, np.uint8)
    regions = np.empty((0, 3))
    if trace.marks is not None:
        classes[sample.gt_pts_seg.pts_semantic_mask.numpy() == MOVED] = MOVED_CLASS
    if trace.regions is not None:
        regions = sample.gt_instances_3d.bboxes_3d.tensor[:, :3].numpy()
    shown = evenly(len(coords))
    caption = f'{name.replace("_", " ")}: {len(coords):,} points, by height{_of_shown(shown, len(coords))}'
    return Cloud(caption, coords[shown], classes[shown], trace.sensor_in_view, regions, box)  # type: ignore[arg-type]


def evenly(number: int) -> np.ndarray:
    """Return which of a number of points to show: all of them, or :data:`MAX_SHOWN` evenly taken."""
    return np.arange(number) if number <= MAX_SHOWN else np.linspace(0, number - 1, MAX_SHOWN).astype(int)


def _of_shown(shown: np.ndarray, number: int) -> str:
    """Say that not all points are shown."""
    return f' ({len(shown):,} shown)' if len(shown) < number else ''


def legend(traces: list[Trace], group: int) -> str:
    """Return the legend, as HTML, whose boxes hide a class of points."""
    fates = np.concatenate([trace.fate for trace in traces])
    present = [number for number in range(len(FATES)) if (fates == number).any()]
    if any(trace.marks is not None for trace in traces):
        present.append(MOVED_CLASS)
    labels = [
        f'<label><input type="checkbox" checked data-group="{group}" data-class="{number}">'
        f'<i style="background: rgb{COLOURS[number]}"></i>{CLASSES[number]}</label>'
        for number in present
    ]
    labels.append('<label><i style="background: #f0f"></i>sensor</label>')
    labels.append('<label><i style="background: #c00"></i>range</label>')
    if any(trace.regions is not None for trace in traces):
        labels.append('<label><i style="background: #fd0"></i>region</label>')
    return f'<p class="legend">{"".join(labels)}</p>'


def steps_table(traces: list[Trace]) -> str:
    """Return a table, as HTML, of what each transform did to the two frames, which go through the same ones."""
    steps = zip(*(trace.steps for trace in traces), strict=True)
    rows = [(first[0], first[1], second[1]) for first, second in steps]
    return table(['transform', *(name.replace('_', ' ') for name in VIEWS)], rows)


def part_of(dataset: Dataset, sources: list[dict]) -> TemporalPairDataset:
    """Return which of the pair data sets, of which there are several in a mixture, frames come from."""
    parts = list(pair_datasets(dataset))
    for part in parts:
        sequence = sequences_of(part).get(sources[0]['sequence_id'])
        if sequence is not None and sources[0]['frame_path'] in sequence.frames:
            return part
    return parts[0]


@cache
def _sequences(ann_file: str) -> dict[str, FrameSequence]:
    """Read the sequences of an index, once."""
    return {sequence.sequence_id: sequence for sequence in read_sequence_index(ann_file)[1]}


def sequences_of(part: TemporalPairDataset) -> dict[str, FrameSequence]:
    """Return the sequences of a pair data set by their names."""
    return _sequences(str(part.ann_file))


def describe_gap(part: TemporalPairDataset, sources: list[dict]) -> str:
    """Say how far apart two frames are: in frames, and in seconds and metres where that is known."""
    first, second = (int(source['frame_index']) for source in sources)
    if first == second:
        return 'one frame twice'
    said = [f'{abs(second - first)} frames']
    sequence = sequences_of(part).get(sources[0]['sequence_id'])
    if sequence is not None and sequence.timestamps is not None:
        said.append(f'{abs(sequence.timestamps[second] - sequence.timestamps[first]):.2f} s')
    if sequence is not None and sequence.poses is not None:
        said.append(f'{np.linalg.norm(sequence.poses[second, :3, 3] - sequence.poses[first, :3, 3]):.2f} m')
    return f'{", ".join(said)} apart, {"aligned" if part.align_poses else "not aligned"}'
