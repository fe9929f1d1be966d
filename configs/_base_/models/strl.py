"""STRL around a detector. A config names the detector, what to pool, and the channels of the pooled vector."""

model = dict(
    type='STRL',
    encoder=dict(type='DetectorEncoder'),
    projector=dict(type='ProjectionMLP'),
    predictor=dict(type='ProjectionMLP', in_channels=256),
)
