"""The human figure: a body from joints, which people on foot, cyclists and drivers share.

A pose names where the hips, the feet and the hands are; knees and elbows follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.simulation.actors.shape import REFLECTOR, Limb, between, chance, limbs, loft
from strl_mmdet3d.simulation.surface import Surface, join

_TORSO = np.array(
    [
        # Along the spine, half width, half depth, as shares of the height.
        [-0.055, 0.060, 0.045],
        [0.020, 0.100, 0.068],
        [0.110, 0.086, 0.062],
        [0.210, 0.104, 0.072],
        [0.285, 0.098, 0.055],
        [0.320, 0.040, 0.036],
    ]
)

_SPINE = 0.285
"""From the hips to the shoulders, as a share of the height."""

_NOD = 0.45
"""How much of the trunk's lean the head follows."""

THIGH, SHIN = 0.245, 0.225
"""Lengths of the leg's parts as shares of the height; the ankle is 0.04 above the sole."""

UPPER_ARM, FOREARM = 0.172, 0.185
"""Lengths of the arm's parts as shares of the height, the forearm with its hand."""


@dataclass(frozen=True)
class Build:
    """A person's body and clothes.

    Attributes:
        height: Metres when upright.
        girth: Width of trunk and limbs relative to an average person's.
        shoulders: Half the distance of the shoulder joints, metres.
        head: Radius of the head, metres.
        top, legs, skin, hair, shoes: Albedos.
        sleeve: Albedo of the arms: the top's or the skin's.
    """

    height: float
    girth: float
    shoulders: float
    head: float
    top: float
    legs: float
    skin: float
    hair: float
    shoes: float
    sleeve: float

    @classmethod
    def sample(cls, rng: np.random.Generator, height: tuple[float, float]) -> Build:
        """Draw a person with a height in these limits (metres), in clothes from black to white or with reflectors."""
        tall = between(rng, height)
        stout = float(np.exp(rng.normal(0.05, 0.16)))
        girth = float(np.clip(stout, 0.78, 1.6)) * between(rng, (1.0, 1.15))
        top, legs = rng.uniform(0.05, 0.8, 2)
        if chance(rng, 0.04):
            top = 0.95
        skin = between(rng, (0.3, 0.6))
        return cls(
            height=tall,
            girth=girth,
            shoulders=tall * between(rng, (0.098, 0.118)) * (0.75 + 0.25 * girth),
            # A child's head is nearly as large as an adult's.
            head=0.035 + 0.036 * tall + between(rng, (-0.006, 0.008)),
            top=float(top),
            legs=float(legs) if chance(rng, 0.85) else skin,
            skin=skin,
            hair=between(rng, (0.04, 0.6)),
            shoes=between(rng, (0.04, 0.7)),
            sleeve=float(top) if chance(rng, 0.8) else skin,
        )

    @classmethod
    def adult(cls, rng: np.random.Generator) -> Build:
        """Draw an adult of 1.5 to 1.98 m."""
        return cls.sample(rng, (1.5, 1.86) if chance(rng, 0.5) else (1.62, 1.98))

    @classmethod
    def child(cls, rng: np.random.Generator) -> Build:
        """Draw a child of 0.8 to 1.5 m."""
        return cls.sample(rng, (0.8, 1.5))


@dataclass(frozen=True)
class Pose:
    """Where a person's joints are, in metres, x forward and y left.

    Attributes:
        hips: ``(3,)`` the middle between the hip joints.
        lean: Of the trunk from upright, radians; positive forward.
        ankles: ``(2, 3)`` right and left. A foot that cannot be reached is drawn in the same direction.
        hands: ``(2, 3)`` right and left, likewise.
        tilt: Of the trunk to the left, radians.
        knees: ``(3,)`` the direction in which knees bend.
        elbows: ``(3,)`` the direction in which the left elbow bends; the right one's is its mirror image.
    """

    hips: np.ndarray
    lean: float
    ankles: np.ndarray
    hands: np.ndarray
    tilt: float = 0.0
    knees: tuple[float, float, float] = (1.0, 0.0, 0.0)
    elbows: tuple[float, float, float] = (-1.0, 0.4, -0.3)

    @property
    def spine(self) -> np.ndarray:
        """``(3,)`` unit vector from the hips to the neck."""
        return np.array(
            [
                np.sin(self.lean) * np.cos(self.tilt),
                np.sin(self.tilt),
                np.cos(self.lean) * np.cos(self.tilt),
            ]
        )

    def neck(self, build: Build) -> np.ndarray:
        """Return the ``(3,)`` middle between the shoulder joints."""
        return self.hips + _SPINE * build.height * self.spine

    @property
    def upright(self) -> np.ndarray:
        """``(3,)`` the head's axis, about a unit vector: the head stays more upright than the trunk."""
        nod = _NOD * self.lean
        return np.array([np.sin(nod), self.spine[1], np.cos(nod)])

    def head(self, build: Build) -> np.ndarray:
        """Return the ``(3,)`` middle of the head."""
        return self.neck(build) + self.upright * (0.07 * build.height + 1.05 * build.head)

    def back(self, build: Build, behind: float, up: float) -> np.ndarray:
        """Return a ``(3,)`` point ``behind`` metres behind the spine, at the share ``up`` from hips to shoulders."""
        backwards = np.array([-np.cos(self.lean), 0.0, np.sin(self.lean)])
        return self.hips + up * _SPINE * build.height * self.spine + behind * backwards


def _joint(
    start: np.ndarray, end: np.ndarray, first: float, second: float, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle and the far joint, ``(3,)`` each, of a chain of two bones that reaches for ``end``."""
    reach = np.subtract(end, start)
    asked = float(np.linalg.norm(reach))
    distance = float(np.clip(asked, abs(first - second) + 0.01, first + second - 0.002))
    along = reach / asked if asked > 1e-6 else np.array([0.0, 0.0, -1.0])
    side = towards - along * (towards @ along)
    norm = float(np.linalg.norm(side))
    side = side / norm if norm > 1e-6 else np.array([0.0, 0.0, 1.0])
    share = (first**2 - second**2 + distance**2) / (2 * distance)
    height = np.sqrt(max(first**2 - share**2, 0.0))
    return start + share * along + height * side, start + distance * along


def figure(build: Build, pose: Pose) -> Surface:
    """Return a person's surface in a pose: 13 limbs and the trunk, about 700 faces."""
    tall, girth = build.height, build.girth
    spine = pose.spine
    neck = pose.neck(build)
    across = np.array([0.0, np.cos(pose.tilt), -np.sin(pose.tilt)])
    depth = np.cross(across, spine)

    angle = np.arange(10) * (np.pi / 5)
    rings = np.stack(
        [
            pose.hips
            + up * tall * spine
            + girth * tall * (wide * np.cos(angle)[:, None] * across + deep * np.sin(angle)[:, None] * depth)
            for up, wide, deep in _TORSO
        ]
    )
    upright, head = pose.upright, pose.head(build)
    forward = np.array([upright[2], 0.0, -upright[0]])
    sticks = [
        Limb(neck - 0.02 * tall * spine, head, 0.038 * tall, 0.6 * build.head, build.skin),
        Limb(
            head - 0.22 * build.head * upright + 0.1 * build.head * forward,
            head + 0.15 * build.head * upright,
            0.8 * build.head,
            build.head,
            build.skin,
        ),
        Limb(
            head + 0.28 * build.head * upright - 0.12 * build.head * forward,
            head + 0.1 * build.head * upright - 0.22 * build.head * forward,
            0.94 * build.head,
            0.98 * build.head,
            build.hair,
        ),
    ]
    for index, side in enumerate((-1.0, 1.0)):
        hip = pose.hips + side * 0.052 * tall * girth * across
        knee, ankle = _joint(hip, pose.ankles[index], THIGH * tall, SHIN * tall, np.array(pose.knees))
        shoulder = neck + side * build.shoulders * across - 0.012 * tall * spine
        bend = np.array(pose.elbows) * [1.0, side, 1.0]
        elbow, hand = _joint(shoulder, pose.hands[index], UPPER_ARM * tall, FOREARM * tall, bend)
        toe = ankle + tall * np.array([0.105, 0.012 * side, -0.018])
        heel = ankle + tall * np.array([-0.018, 0.0, -0.016])
        sticks += [
            Limb(hip, knee, 0.052 * tall * girth, 0.036 * tall * girth, build.legs),
            Limb(knee, ankle, 0.036 * tall * girth, 0.026 * tall * girth, build.legs),
            Limb(heel, toe, 0.026 * tall, 0.022 * tall, build.shoes),
            Limb(shoulder, elbow, 0.033 * tall * girth, 0.027 * tall * girth, build.top),
            Limb(elbow, hand, 0.027 * tall * girth, 0.02 * tall * girth, build.sleeve),
        ]
    return join([limbs(sticks), loft(rings, build.top if build.top < 0.9 else REFLECTOR)])
