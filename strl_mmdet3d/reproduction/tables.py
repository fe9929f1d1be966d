"""The tables of the STRL paper (Huang et al., ICCV 2021), row by row, with the configs that stand for each row.

``paper`` holds the numbers that the paper reports, in the order of the table's columns. None is a number that is not
known here: it was not found in a source that could be checked, and nothing is put in its place. The 92.2 of Table 2a is
confirmed by the authors in https://github.com/yichen928/STRL/issues/1.

Names of configs are relative to ``configs/``, without ``.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..errors import ConfigKeyError

PaperNumber = float | tuple[float, float] | None
"""A number of the paper, the lowest and the highest of several, or None if it is not known here."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear SVM on frozen features: `tools/linear_probe.py`.

    Attributes:
        config: The downstream config of shapes.
        tsne: Whether a picture of the features is drawn, too.
    """

    config: str
    tsne: bool = False


@dataclass(frozen=True)
class FineTuning:
    """Training with labels and a test after the last epoch: `tools/train.py` and `tools/test.py`.

    Attributes:
        config: The downstream config.
        epochs: The length, the config's own.
        percent: Of the labels of each class.
        points: Points of a shape, if they differ from the config's.
        area: The area of S3DIS to train on.
    """

    config: str
    epochs: int = 100
    percent: int = 100
    points: int | None = None
    area: int | None = None


@dataclass(frozen=True)
class Detection:
    """Training and testing a detector with all labels, paired over seeds: `tools/evaluate_pretraining.py`.

    Attributes:
        config: The downstream config.
        arm: How the detector begins.
    """

    config: str
    arm: Literal['scratch', 'finetuned', 'frozen']


Evaluation = LinearProbe | FineTuning | Detection


@dataclass(frozen=True)
class Column:
    """A number that a table gives for each row.

    Attributes:
        heading: What it is.
        metric: Its name in the result of the evaluation.
        factor: What makes it per cent.
        simulated: Its name on simulated data, if that lacks classes and so the number itself.
        digits: The decimal places that the paper gives.
    """

    heading: str
    metric: str
    factor: float = 1.0
    simulated: str | None = None
    digits: int = 1


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: Its name.
        pretraining: The config of the pre-training; None for a network that begins with random weights.
        evaluation: How it is measured.
        paper: A number for each column; empty if the paper has no such row, or none of its numbers is known here.
    """

    name: str
    pretraining: str | None
    evaluation: Evaluation
    paper: tuple[PaperNumber, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        name: Its name on the command line.
        title: What it shows.
        columns: What it gives for each row.
        rows: Its rows.
        note: What has to be known to read it, and what is our choice.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ''

    @property
    def heading(self) -> str:
        """Its name in the paper, and what it shows."""
        number = self.name.replace('-', ' ').capitalize() if self.name[0].isalpha() else f'Table {self.name}'
        return f'{number}: {self.title}'


SVM = (Column('linear SVM (%)', 'unscaled'),)
ACCURACY = (Column('accuracy (%)', 'accuracy'),)
SEGMENTATION = (Column('accuracy (%)', 'acc', 100.0), Column('mIoU (%)', 'miou', 100.0))
MAP = (Column('mAP@0.25 (%)', 'mAP_0.25', 100.0, simulated='known_mAP_0.25'),)
KITTI = tuple(
    Column(f'{name} AP40', f'{name}_3D_AP40_moderate_strict', digits=2) for name in ('Car', 'Pedestrian', 'Cyclist')
)

POINTNET_PROBE = LinearProbe('downstream/pointnet_shapes_from_strl')
DGCNN_PROBE = LinearProbe('downstream/dgcnn_shapes_from_strl')
VOTENET = Detection('downstream/votenet_sunrgbd_scratch', 'finetuned')
PVRCNN = 'downstream/pvrcnn_kitti_scratch'
S3DIS_AREAS = (1, 2, 3, 4, 5)
RANDOM = 'random weights, calibrated BatchNorm (ours)'

# The authors fine-tuned with 1024 points (https://github.com/yichen928/STRL/issues/1).
SHAPES_SCRATCH = FineTuning('downstream/dgcnn_shapes_scratch', points=1024)
SHAPES_FROM_STRL = FineTuning('downstream/dgcnn_shapes_from_strl', points=1024)
FEW_LABELS = {1: 60.5, 5: 82.7, 10: 86.5, 20: 89.7}

FULL, PLAIN = 'all of them', 'none of them'
OUR_NETWORK = (
    'Which network the paper takes here, and its numbers, are not known here: PointNet on shapes is our choice.'
)

TABLES = (
    Table(
        '1',
        'linear evaluation on ModelNet40, pre-trained on ShapeNet',
        SVM,
        (
            Row(f'PointNet, {RANDOM}', None, POINTNET_PROBE),
            Row('PointNet, STRL', 'strl/pointnet_shapenet_pretrain', POINTNET_PROBE, (88.3,)),
            Row(f'DGCNN, {RANDOM}', None, DGCNN_PROBE),
            Row('DGCNN, STRL', 'strl/dgcnn_shapenet_pretrain', DGCNN_PROBE, (90.9,)),
        ),
    ),
    Table(
        '2a',
        'classification of ModelNet40, fine-tuned',
        ACCURACY,
        (
            Row('DGCNN, from scratch', None, SHAPES_SCRATCH, (92.2,)),
            Row('DGCNN, STRL', 'strl/dgcnn_shapenet_pretrain', SHAPES_FROM_STRL, (93.1,)),
        ),
    ),
    Table(
        '2b',
        'classification of ModelNet40, fine-tuned with few labels',
        ACCURACY,
        tuple(
            row
            for percent, number in FEW_LABELS.items()
            for row in (
                Row(f'{percent} % of the labels, DGCNN from scratch', None, replace(SHAPES_SCRATCH, percent=percent)),
                Row(
                    f'{percent} % of the labels, DGCNN, STRL',
                    'strl/dgcnn_shapenet_pretrain',
                    replace(SHAPES_FROM_STRL, percent=percent),
                    (number,),
                ),
            )
        ),
    ),
    Table(
        '3',
        'detection on SUN RGB-D, pre-trained on ScanNet',
        MAP,
        (
            Row('VoteNet, from scratch', None, replace(VOTENET, arm='scratch'), ((57.0, 57.7),)),
            Row('VoteNet, STRL', 'strl/votenet_scannet_pretrain', VOTENET, (58.2,)),
        ),
    ),
    Table(
        '4',
        'segmentation of S3DIS, trained on one area and tested on Area 6',
        SEGMENTATION,
        tuple(
            row
            for area in S3DIS_AREAS
            for row in (
                Row(f'Area {area}, DGCNN from scratch', None, FineTuning('downstream/dgcnn_s3dis_scratch', area=area)),
                Row(
                    f'Area {area}, DGCNN, STRL',
                    'strl/dgcnn_seg_scannet_pretrain',
                    FineTuning('downstream/dgcnn_s3dis_from_strl', area=area),
                ),
            )
        ),
    ),
    Table(
        '5',
        'detection on KITTI, moderate difficulty, 3D',
        KITTI,
        (
            Row('PV-RCNN, from scratch', None, Detection(PVRCNN, 'scratch'), (84.50, 57.06, 70.14)),
            Row('PV-RCNN, STRL', 'strl/pvrcnn_kitti_pretrain', Detection(PVRCNN, 'finetuned'), (84.70, 57.80, 71.88)),
            Row(
                'PV-RCNN, STRL, backbone frozen',
                'strl/pvrcnn_kitti_pretrain',
                Detection(PVRCNN, 'frozen'),
                (81.63, 39.62, 69.65),
            ),
        ),
        note='The authors published no settings of this pre-training; the configs say what is our choice.',
    ),
    Table(
        '6a',
        'linear evaluation on ModelNet40, by the data of the pre-training',
        SVM,
        (
            Row('DGCNN, pre-trained on ShapeNet', 'strl/dgcnn_shapenet_pretrain', DGCNN_PROBE, (90.9,)),
            Row('DGCNN, pre-trained on ScanNet', 'strl/dgcnn_scannet_pretrain', DGCNN_PROBE),
        ),
    ),
    Table(
        '6b',
        'detection on SUN RGB-D, by the data of the pre-training',
        MAP,
        (
            Row('VoteNet, pre-trained on ScanNet', 'strl/votenet_scannet_pretrain', VOTENET, (58.2,)),
            Row('VoteNet, pre-trained on ShapeNet', 'strl/votenet_shapenet_pretrain', VOTENET, (59.2,)),
        ),
    ),
    Table(
        '7a',
        'ablation of the view transforms',
        SVM,
        (
            Row(FULL, 'strl/pointnet_shapenet_pretrain', POINTNET_PROBE),
            Row('without rotation', 'ablations/pointnet_shapenet_without_rotation', POINTNET_PROBE),
            Row('without translation', 'ablations/pointnet_shapenet_without_translation', POINTNET_PROBE),
            Row('without scaling', 'ablations/pointnet_shapenet_without_scaling', POINTNET_PROBE),
            Row(PLAIN, 'ablations/pointnet_shapenet_without_view_transforms', POINTNET_PROBE),
        ),
        note=OUR_NETWORK,
    ),
    Table(
        '7b',
        'ablation of the natural sequence',
        MAP,
        (
            Row('with: two frames of a walk', 'strl/votenet_scannet_pretrain', VOTENET),
            Row('without: one frame twice', 'ablations/votenet_scannet_without_sequence', VOTENET),
        ),
        note='Which network the paper takes here, and its numbers, are not known here: VoteNet is our choice.',
    ),
    Table(
        '8',
        'ablation of the spatial augmentation',
        SVM,
        (
            Row(FULL, 'strl/pointnet_shapenet_pretrain', POINTNET_PROBE),
            Row('without crop', 'ablations/pointnet_shapenet_without_crop', POINTNET_PROBE),
            Row('without cutout', 'ablations/pointnet_shapenet_without_cutout', POINTNET_PROBE),
            Row('without jitter', 'ablations/pointnet_shapenet_without_jitter', POINTNET_PROBE),
            Row('without drop-out', 'ablations/pointnet_shapenet_without_drop_out', POINTNET_PROBE),
            Row('without normalisation', 'ablations/pointnet_shapenet_without_normalisation', POINTNET_PROBE),
            Row(PLAIN, 'ablations/pointnet_shapenet_without_augmentation', POINTNET_PROBE),
        ),
        note=f'{OUR_NETWORK} Down-sampling stays: a batch needs clouds of one size. "{PLAIN.capitalize()}" keeps the '
        'normalisation, too.',
    ),
    Table(
        'figure-4',
        'learned features, by t-SNE',
        SVM,
        (
            Row('PointNet', 'strl/pointnet_shapenet_pretrain', replace(POINTNET_PROBE, tsne=True)),
            Row('DGCNN', 'strl/dgcnn_shapenet_pretrain', replace(DGCNN_PROBE, tsne=True)),
        ),
        note='The result is a picture of each; the number is that of Table 1.',
    ),
    Table(
        'data-efficiency',
        'pre-training on fewer frames of ScanNet, linear evaluation on ModelNet40',
        SVM,
        (
            Row('DGCNN, all key frames', 'strl/dgcnn_scannet_pretrain', DGCNN_PROBE),
            Row('DGCNN, 25,000 frames', 'ablations/dgcnn_scannet_25k', DGCNN_PROBE),
        ),
        note='The first row takes every frame of the index, the second one as many as scannet_frames_25k has. The '
        'numbers of the paper are not known here.',
    ),
)


def find_tables(names: list[str]) -> list[Table]:
    """Find tables by name; '2' stands for 2a and 2b, 'all' for all of them.

    Returns:
        The tables in the paper's order, each once.

    Raises:
        ConfigKeyError: If there is no such table.
    """
    found = set()
    for name in names:
        matching = {table.name for table in TABLES if name in ('all', table.name, table.name.rstrip('ab'))}
        if not matching:
            known = ', '.join(table.name for table in TABLES)
            raise ConfigKeyError(f'the paper has no table {name!r} here: name one of {known}, or all')
        found |= matching
    return [table for table in TABLES if table.name in found]
