"""DGCNN pre-trained on 25,000 frames of ScanNet: the paper's study of data efficiency.

Data: $SCANNET_FRAMES_ROOT with all frames, and a second index `sequences_25k.json` of some 25,000 of them, made by
`tools/create_sequence_index.py scannet --key-frame-every N`; scannet_frames_25k has every 100th frame.
"""

_base_ = '../strl/dgcnn_scannet_pretrain.py'

train_dataloader = dict(dataset=dict(ann_file='sequences_25k.json'))
