"""mmdet3d's own VoteNet on SUN RGB-D, from scratch: points with their height above the floor, as in the stock config.

Data: $SUNRGBD_ROOT, prepared by mmdet3d's converter or `tools/prepare_sunrgbd.py`. Without it, the simulated views of
`tools/simulate_data.py scannet`.
"""

_base_ = ['mmdet3d::votenet/votenet_8xb16_sunrgbd-3d.py']

custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)

data_root = '{{$SUNRGBD_ROOT:data/scannet_sim/sunrgbd}}/'
train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root)))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
