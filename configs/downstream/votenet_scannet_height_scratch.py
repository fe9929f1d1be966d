"""mmdet3d's own VoteNet on ScanNet, from scratch: points with their height above the floor, as in the stock config.

Data: $SCANNET_ROOT, prepared by mmdet3d's converter.
"""

_base_ = ['mmdet3d::votenet/votenet_8xb8_scannet-3d.py']

custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)

data_root = '{{$SCANNET_ROOT:data/scannet}}/'
train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root)))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
