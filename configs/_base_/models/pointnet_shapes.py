"""PointNet for shapes, as in STRL's released model: D = 1024."""

classifier = dict(
    type='ShapeClassifier',
    backbone=dict(type='PointNet'),
    # Enough for ModelNet40 and for the simulated shapes; more classes need --cfg-options model.cls_head.num_classes=K.
    cls_head=dict(type='ShapeClsHead', in_channels=1024, num_classes=40),
)
