"""Exported encoders that were changed, with a manifest and a checksum that fit the change."""

from __future__ import annotations

from pathlib import Path

import torch

from strl_mmdet3d.export.manifest import checksum, manifest_of


def forge(path: Path) -> None:
    """Make an exported encoder's manifest and checksum fit what it holds now."""
    content = torch.load(path, weights_only=True)
    provenance = content['meta']['strl']
    provenance['tensors'] = manifest_of(content['state_dict'])
    provenance['sha256'] = checksum(provenance, content['state_dict'])
    torch.save(content, path)
