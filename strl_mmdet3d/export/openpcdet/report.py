"""What a conversion between the toolboxes did with each tensor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class OpenPCDetReport:
    """Which tensors a conversion wrote, and from which.

    Attributes:
        renamed: Name in the file that was read -> name in the file that was written.
        changed: Name in the file that was read -> what was done to its values beside another order.
        added: Name in the file that was written -> why it has no counterpart.
        dropped: Name in the file that was read -> why it is not written.
        stored: The version of spconv by which the sparse convolutions' weights were stored; see `LAYOUTS`.
    """

    renamed: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    stored: str = '2'

    def __str__(self) -> str:
        """Write a line with the number of renamed tensors, and one for each reason to do anything else."""
        total = len(self.renamed) + len(self.dropped) + len(set(self.changed) - set(self.renamed))
        parts = Counter(name.split('.')[0] for name in self.renamed.values())
        lines = [
            f'{len(self.renamed)} of {total} tensors renamed: '
            + ', '.join(f'{part} {count}' for part, count in parts.items())
        ]
        for what, names in (('changed', self.changed), ('added', self.added), ('dropped', self.dropped)):
            lines += [f'{count} {what}: {reason}' for reason, count in Counter(names.values()).items()]
        return '\n'.join(lines)
