"""Does a pre-training help a detector? Label subsets, arms that start alike, and the statistics of paired seeds."""

from .seeded_draws import SeededDraws
