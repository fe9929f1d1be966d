"""DGCNN on labelled shapes, from scratch. Data: $SHAPES_ROOT, see `labelled_shapes.py`."""

_base_ = [
    '../_base_/models/dgcnn_shapes.py',
    '../_base_/datasets/labelled_shapes.py',
    '../_base_/recipes/shape_finetuning.py',
]

model = _base_.classifier
