"""STRL as the paper has it, one max-pooled vector a scan, with the optimizer of the other arms.

The heads are 1024 wide instead of 4096: on the 48 vectors a pair of the dense arms, the paper's cost a fifth of the step of
so small a detector.
"""

_base_ = ['./matched.py']

model = dict(
    type='STRL',
    projector=dict(type='ProjectionMLP', in_channels=96, hidden_channels=1024),
    predictor=dict(type='ProjectionMLP', in_channels=256, hidden_channels=1024),
)
