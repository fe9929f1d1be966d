"""Encoders that come with the package: pre-trained by us on simulated data, small, with a record of each.

A config loads one by ``load_from = 'strl://NAME'``. ``tools/model_zoo.py list`` shows them, docs/zoo.md what they
gained.
"""

from .encoders import ZOO, ZooError, entry_of, load_from_zoo, read_entries
from .entry import DetectorGain, Entry

__all__ = ['ZOO', 'DetectorGain', 'Entry', 'ZooError', 'entry_of', 'load_from_zoo', 'read_entries']
