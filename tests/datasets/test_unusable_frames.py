"""The list of the frames that a run could not use."""

from __future__ import annotations

import json

from strl_mmdet3d.datasets.unusable_frames import UnusableFrameList, read_listed


def test_frames_of_two_roots_may_have_one_name(tmp_path):
    listed = UnusableFrameList(tmp_path / 'list.jsonl')
    records = [
        dict(data_root=root, frame_path='0.bin', reason='damaged', epoch=0, item=item)
        for item, root in enumerate(['/a', '/b', '/a'])
    ]
    listed.append(records)
    assert [json.loads(line) for line in listed.path.read_text().splitlines()] == records[:2]
    assert read_listed(listed.path) == {'/a/0.bin', '/b/0.bin'}


def test_a_list_without_roots_is_read(tmp_path):
    path = tmp_path / 'list.jsonl'
    path.write_text('{"frame_path": "0.bin", "reason": "r"}\n{"frame_path": "", "reason": "empty"}\n')
    assert read_listed(path) == {'0.bin', 'empty'}
