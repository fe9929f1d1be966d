"""STRL as the paper has it, one max-pooled vector a scan, with the optimizer of the other arms."""

_base_ = ['./matched.py']

model = dict(
    type='STRL',
    projector=dict(type='ProjectionMLP', in_channels=96),
    predictor=dict(type='ProjectionMLP', in_channels=256),
)
