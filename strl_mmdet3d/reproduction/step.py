"""A step: a command of a tool, with a name by which its result is found again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """How a table is filled.

    Attributes:
        work_dir: Where everything goes.
        data: Simulated, or where the environment says.
        size: The paper's, or so small that it runs through in a minute.
        seeds: Number of seeds, from 0.
    """

    work_dir: Path
    data: Literal['simulated', 'real'] = 'simulated'
    size: Literal['full', 'tiny'] = 'full'
    seeds: int = 1

    @property
    def tiny(self) -> bool:
        """Whether everything is as small as possible."""
        return self.size == 'tiny'

    def path(self, *parts: str) -> str:
        """Return a path in the work directory as text."""
        return str(self.work_dir.joinpath(*parts))


@dataclass(frozen=True)
class Step:
    """A command.

    Attributes:
        name: Its name, which is the path of its result too.
        tool: One of our tools, or the path of a script of mmdet3d.
        arguments: Its arguments. Configs are named from the project's root.
        environment: The variables that it needs.
        seed: The seed that its result belongs to, where it is of one seed.
        measures: What its result is: the row of the probe, the arm of the detectors, or 'test'.
        leaves: The file or folder that it writes for later steps. A training that has left it whole, here or elsewhere,
            is done.
    """

    name: str
    tool: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    seed: int = 0
    measures: str = ''
    leaves: str = ''

    def reads(self, product: str) -> bool:
        """Whether the step reads what another one leaves: an argument names it, or it is below a variable's path."""
        named = [argument.partition('=')[2] or argument for argument in self.arguments]
        places = [place for _, place in self.environment]
        return any(path == product or path.startswith(f'{product}/') for path in (*named, *places)) or any(
            product.startswith(f'{place}/') for place in places
        )
