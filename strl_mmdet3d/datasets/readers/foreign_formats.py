"""The files that no scan reader of this package reads, and the converter for each."""

from __future__ import annotations

BAG = 'tools/convert_bags.py writes the scans of a recording of ROS as .npy files, and its poses'
TFRECORD = "mmdet3d's tools/create_data.py waymo writes Waymo's records as KITTI-like .bin files of 6 values"
FEATHER = "tools/convert_argoverse2.py writes Argoverse 2's sweeps as .npy files, and their poses"
PARQUET = 'pandas.read_parquet reads it; save x, y, z, intensity of each frame with numpy.save as .npy'
HDF5 = 'h5py reads it; save x, y, z, intensity of each frame with numpy.save as .npy'
ARCHIVE = 'extract it first'

CONVERTERS = {
    '.tfrecord': TFRECORD,
    '.db3': BAG,
    '.bag': BAG,
    '.mcap': BAG,
    '.feather': FEATHER,
    '.parquet': PARQUET,
    '.h5': HDF5,
    '.hdf5': HDF5,
    '.zip': ARCHIVE,
    '.7z': ARCHIVE,
    '.rar': ARCHIVE,
    '.tar': ARCHIVE,
    '.tgz': ARCHIVE,
    '.tar.gz': ARCHIVE,
    '.pcap': "the sensor maker's software writes its packets as .pcd or .las files",
    '.e57': 'CloudCompare or pye57 write it as .ply or .las',
    '.mat': 'scipy.io.loadmat reads it; save x, y, z, intensity of each frame with numpy.save as .npy',
    '.pkl': 'a pickle could run code, so it is not read; save each frame with numpy.save as .npy',
    '.drc': 'draco_decoder writes it as .ply',
}
"""The end of a name -> what to use. The ends are in lower case."""

MARKS = {
    b'SQLite format 3\0': '.db3',
    b'#ROSBAG V': '.bag',
    b'\x89MCAP0': '.mcap',
    b'ARROW1': '.feather',
    b'FEA1': '.feather',
    b'PAR1': '.parquet',
    b'\x89HDF\r\n\x1a\n': '.h5',
    b'7z\xbc\xaf\x27\x1c': '.7z',
    b'Rar!\x1a\x07': '.rar',
    b'ASTM-E57': '.e57',
    b'MATLAB 5.0': '.mat',
    b'DRACO': '.drc',
}
"""How such files begin."""


def foreign_suffix(name: str) -> str | None:
    """Return the end of a file's name if it is one of a format that is not read here; else None."""
    lower = name.lower()
    if '.tfrecord' in lower:  # often 'NAME.tfrecord-00000-of-00040'
        return '.tfrecord'
    return next((suffix for suffix in CONVERTERS if lower.endswith(suffix)), None)


def foreign_content(content: bytes) -> str | None:
    """Return the usual end of the name of a file that begins like this, if its format is not read here; else None."""
    return next((suffix for mark, suffix in MARKS.items() if content.startswith(mark)), None)
