"""DGCNN pre-trained on some thousand shapes, an hour on a core (docs/small_data.md). Data: see `shape_pairs.py`."""

_base_ = ['./pointnet_shapenet_pretrain_small_data.py']

model = dict(
    encoder=dict(
        detector=dict(
            backbone=dict(_delete_=True, type='DGCNN', k=20),  # DGCNN's for 1024 points and fewer
            cls_head=dict(in_channels=2048),
        )
    ),
    projector=dict(in_channels=2048),
    contrast=0.2,
)
train_cfg = dict(max_epochs=60)
