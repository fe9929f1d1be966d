"""DGCNN for shapes of 2048 points: k = 40, maximum and mean, D = 2048."""

classifier = dict(
    type='ShapeClassifier',
    backbone=dict(type='DGCNN', k=40),
    # Enough for ModelNet40 and for the simulated shapes; more classes need --cfg-options model.cls_head.num_classes=K.
    cls_head=dict(type='ShapeClsHead', in_channels=2048, num_classes=40),
)
