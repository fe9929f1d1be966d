"""A pair of a config's training set, followed through its pipeline: what its picture and its page are made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from mmdet3d.registry import DATA_SAMPLERS, DATASETS
from mmengine.config import Config
from torch.utils.data import Dataset

from ..datasets import FrameSequence, MultiView, PairKey, PairSampler, TemporalPairDataset, read_sequence_index
from ..datasets.temporal_pair_dataset import pair_datasets
from ..datasets.transforms.mark_moved import MOVED
from ..datasets.transforms.views import VIEWS
from ..errors import ConfigError
from .pair_trace import FATES, PairTracer, Trace


@dataclass
class TracedPair:
    """A pair, with what became of its points.

    Attributes:
        key: What it was drawn from.
        part: Its data set, one of several in a mixture.
        traces: Those of its two frames.
        packed: View 1, view 2, and the local views, by name.
    """

    key: PairKey
    part: TemporalPairDataset
    traces: list[Trace]
    packed: dict[str, dict]

    @property
    def sources(self) -> list[dict]:
        """Where the two frames come from."""
        return [self.packed[view]['data_samples'].metainfo for view in VIEWS]

    @property
    def unit(self) -> str:
        """The unit of the points: 'm', or '' of shapes."""
        return self.traces[0].unit

    @property
    def local_traces(self) -> dict[str, Trace]:
        """The traces of the local views by name; they are made of the first and the second frame alternately."""
        found = {
            f'local_{len(VIEWS) * number + frame + 1}': trace
            for frame, of_frame in enumerate(self.traces)
            for number, trace in enumerate(of_frame.locals)
        }
        return {name: found[name] for name in self.packed if name in found}

    def source_of(self, view: str) -> str:
        """Say of which frame a local view is; '' of the two others, whose names say it."""
        if view in VIEWS:
            return ''
        return f' of frame {1 if self.local_traces[view] in self.traces[0].locals else 2}'

    def points(self, view: str) -> np.ndarray:
        """Return the points (N, 3) of a view."""
        return self.packed[view]['inputs']['points'][:, :3].numpy()

    def moved(self, view: str) -> np.ndarray:
        """Return which points (N,) of a view are marked as moved."""
        if 'gt_pts_seg' not in self.packed[view]['data_samples'] or self.traces[0].marks is None:
            return np.zeros(len(self.packed[view]['inputs']['points']), np.bool_)
        return self.packed[view]['data_samples'].gt_pts_seg.pts_semantic_mask.numpy() == MOVED

    def regions(self, view: str) -> np.ndarray:
        """Return the places (M, 3) of a view's regions."""
        if self.traces[0].regions is None or view not in VIEWS:
            return np.empty((0, 3))
        return self.packed[view]['data_samples'].gt_instances_3d.bboxes_3d.tensor[:, :3].numpy()

    def gap(self) -> str:
        """Say how far apart the frames are: in frames, and in seconds and metres where that is known."""
        first, second = (int(source['frame_index']) for source in self.sources)
        if first == second:
            return 'one frame twice'
        said = [f'{abs(second - first)} frame{"s" * (abs(second - first) != 1)}']
        sequence = sequences_of(self.part).get(self.sources[0]['sequence_id'])
        if sequence is not None and sequence.timestamps is not None:
            said.append(f'{abs(sequence.timestamps[second] - sequence.timestamps[first]):.2f} s')
        if sequence is not None and sequence.poses is not None:
            said.append(f'{np.linalg.norm(sequence.poses[second, :3, 3] - sequence.poses[first, :3, 3]):.2f} m')
        return f'{", ".join(said)} apart, {"aligned" if self.part.align_poses else "not aligned"}'

    def facts(self) -> str:
        """Say how the pair was drawn."""
        key, redraws = self.key, self.sources[0]['num_redraws']
        unusable = f'; {redraws} unusable pairs before it' if redraws else ''
        return f'{self.gap()}; mode {self.part.mode!r}; item {key.index}, epoch {key.epoch}, seed {key.seed}{unusable}'


def counted_fates(trace: Trace) -> str:
    """Say how many points of a frame became what."""
    return ', '.join(f'{(trace.fate == n).sum():,} {name}' for n, name in enumerate(FATES) if (trace.fate == n).any())


def build_traced_dataset(config: Config) -> tuple[Dataset, PairSampler, PairTracer]:
    """Build the training set and the sampler of a config as `build_pairs` does, and trace the set's points."""
    dataset, sampler, stages = build_pairs(config)
    tracer = PairTracer()
    for stage in stages:
        tracer.watch(stage)
    return dataset, sampler, tracer


def build_pairs(config: Config) -> tuple[Dataset, PairSampler, list[MultiView]]:
    """Build the training set and the sampler of a config as the Runner does.

    Args:
        config: The pre-training config, read in mmdet3d's scope.

    Returns:
        The training set, the sampler, and the first `MultiView` of each of the set's pair data sets.

    Raises:
        ConfigError: If the config does not train on pairs of views.
    """
    dataset = DATASETS.build(config.train_dataloader.dataset)
    seed = config.get('randomness', {}).get('seed') or 0
    sampler = DATA_SAMPLERS.build(config.train_dataloader.sampler, default_args={'dataset': dataset, 'seed': seed})
    parts = list(pair_datasets(dataset))  # several, in a ConcatDataset
    if not parts or not isinstance(sampler, PairSampler):
        raise ConfigError('train_dataloader needs a TemporalPairDataset and a PairSampler')
    return dataset, sampler, [first_view_stage(part) for part in parts]


def trace_pair(dataset: Dataset, key: PairKey, tracer: PairTracer) -> TracedPair:
    """Make one pair of a training set whose points the tracer follows."""
    tracer.traces.clear()
    packed = dataset[key]
    return TracedPair(key, part_of(dataset, tracer.traces[-1]), tracer.traces[-2:], packed)


def part_of(dataset: Dataset, trace: Trace) -> TemporalPairDataset:
    """Return which of the pair data sets, of which there are several in a mixture, has loaded a traced frame.

    Names of frames would not tell: two recordings may have the same, and one index may be in a mixture twice.
    """
    return next(part for part in pair_datasets(dataset) if first_view_stage(part).load.transforms[0] is trace.loader)


def first_view_stage(part: TemporalPairDataset) -> MultiView:
    """Return the first `MultiView` of a pair data set's pipeline.

    Raises:
        ConfigError: If there is none.
    """
    for stage in part.pipeline.transforms:
        if isinstance(stage, MultiView):
            return stage
    raise ConfigError('the pipeline of train_dataloader.dataset needs a MultiView')


@cache
def _sequences(ann_file: str) -> dict[str, FrameSequence]:
    """Read the sequences of an index, once."""
    return {sequence.sequence_id: sequence for sequence in read_sequence_index(ann_file)[1]}


def sequences_of(part: TemporalPairDataset) -> dict[str, FrameSequence]:
    """Return the sequences of a pair data set by their names."""
    return _sequences(str(part.ann_file))
