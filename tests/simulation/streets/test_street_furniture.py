"""Things beside the street: every kind stands on the ground, is of sensible size, cheap, and varies."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.streets import bulky_things, plants, street_furniture
from strl_mmdet3d.simulation.streets.frontage import FOUNDATION, building, garage, garden_border

SMALL = dict.fromkeys([*street_furniture.SLIM, *street_furniture.AT_WALLS, street_furniture.lamp, plants.conifer])
LARGE = dict.fromkeys([*bulky_things.IN_GARDENS, *bulky_things.IN_FIELDS, plants.street_tree, plants.tree])
BUILT = {
    'building': lambda rng: building(rng, rng.uniform(6, 24), int(rng.integers(1, 7)), rng.uniform(0, 5), shop=False),
    'shop': lambda rng: building(rng, rng.uniform(6, 24), int(rng.integers(1, 7)), rng.uniform(0, 5), shop=True),
    'garage': lambda rng: garage(rng, rng.uniform(3, 10)),
    'garden_border': lambda rng: garden_border(rng, rng.uniform(2, 20)),
    'hedge': lambda rng: plants.hedge(rng, rng.uniform(2, 20)),
}
THINGS = {
    **{builder.__name__: builder for builder in [*SMALL, *LARGE]},
    **BUILT,
    **{
        builder.__name__: lambda rng, build=builder: build(rng, rng.uniform(1.2, 6.5), rng.uniform(1.6, 2.3))
        for builder in dict.fromkeys(bulky_things.PARKED)
    },
}


@pytest.mark.parametrize('name', sorted(THINGS))
def test_things_stand_on_the_ground_and_are_cheap(name):
    sizes, albedos = [], set()
    for seed in range(12):
        part = THINGS[name](np.random.default_rng(seed))
        assert np.isfinite(part.vertices).all()
        assert part.faces.min() >= 0
        assert part.faces.max() < len(part.vertices)
        assert part.albedo.min() >= 0.02
        assert part.albedo.max() <= 1
        assert part.opacity.min() > 0
        assert part.opacity.max() <= 1
        # A slope must not open a gap beneath it; a plant's leaves may hang above the ground.
        assert -FOUNDATION - 0.3 < part.bounds[0, 2] < 0.8
        assert len(part.faces) < 3000
        sizes.append(np.ptp(part.bounds, axis=0))
        albedos.add(float(part.albedo[0]))
    assert len({tuple(size) for size in sizes}) >= 10
    assert np.min(sizes) >= 0


@pytest.mark.parametrize('name', sorted(THINGS))
def test_same_seed_same_thing(name):
    first, second = (THINGS[name](np.random.default_rng(3)) for _ in range(2))
    assert first.vertices.tobytes() == second.vertices.tobytes()
    assert first.albedo.tobytes() == second.albedo.tobytes()


def test_things_have_few_faces_on_average():
    faces = [len(build(np.random.default_rng(seed)).faces) for build in THINGS.values() for seed in range(5)]
    assert np.mean(faces) < 250


def test_many_things_have_the_size_of_a_person_or_a_cyclist():
    person = cyclist = 0
    for build in SMALL:
        for seed in range(10):
            x, y, z = np.ptp(build(np.random.default_rng(seed)).bounds, axis=0)
            person += max(x, y) < 1.0 and 1.2 < z < 2.0
            cyclist += 1.2 < max(x, y) < 2.0 and 0.9 < z < 2.0
    assert person > 60
    assert cyclist > 25


def test_a_lamp_hangs_high_over_the_street():
    for seed in range(50):
        part = street_furniture.lamp(np.random.default_rng(seed))
        out = part.vertices[np.hypot(*part.vertices[:, :2].T) > 0.5]
        assert len(out) == 0 or out[:, 2].min() >= plants.STREET_CROWN
