"""The character of a neighbourhood: from a country road to a crowded shopping street."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class District:
    """How densely a street is lined with things. All shares are in [0, 1].

    Attributes:
        built: Share of the lots with a building.
        storeys: Largest number of storeys.
        setback: Largest distance of the buildings from the pavement, metres.
        shops: Share of the buildings with a shop.
        clutter: Density of things on the pavements.
        green: Density of trees, hedges and bushes.
        closed: Share of the parking strip that is taken by other things than cars.
    """

    built: float
    storeys: int
    setback: float
    shops: float
    clutter: float
    green: float
    closed: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> District:
        """Draw a district, anywhere between open country and the centre of a town."""
        urban = rng.uniform()

        def about(share: float) -> float:
            """Draw a share near another one."""
            return float(np.clip(share + rng.normal(0.0, 0.2), 0.0, 1.0))

        return cls(
            built=about(2.2 * urban - 0.3),
            storeys=int(rng.integers(1, 3 + round(4 * urban))),
            setback=float(rng.uniform(0.5, 2.0 + 8.0 * (1 - urban))),
            shops=about(1.3 * urban - 0.5),
            clutter=about(0.8 * urban + 0.15),
            green=about(0.9 - 0.7 * urban),
            closed=0.8 * float(rng.uniform() ** 1.5),
        )
