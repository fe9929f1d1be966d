"""Facts about the sequences of an index that need no frame: lengths, rates, gaps of time, and the sensor's motion."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import median_filter

from ..datasets import FrameSequence

GAP = 3  # times the usual time between two frames
NEIGHBOURS = 11  # steps whose median says what is usual at a place of a sequence
JUMP = 3  # times what is usual there, and the slack of the kind of sensor


@dataclass(frozen=True)
class MotionLimits:
    """What a sensor of a kind can do. Our choice: wide enough for every real recording that we know.

    Attributes:
        speed: Largest plausible speed, m/s.
        turn: Largest plausible turn rate, degrees per second.
        speed_slack: How much faster than usual a step may be before it is a jump, m/s.
        turn_slack: The same for the turn rate, degrees per second.
        step: As ``speed_slack``, metres per frame, where there are no time stamps.
        step_turn: As ``turn_slack``, degrees per frame, where there are no time stamps.
    """

    speed: float
    turn: float
    speed_slack: float
    turn_slack: float
    step: float
    step_turn: float


VEHICLE = MotionLimits(speed=60, turn=120, speed_slack=10, turn_slack=45, step=2, step_turn=15)
HAND = MotionLimits(speed=4, turn=500, speed_slack=1.5, turn_slack=180, step=0.5, step_turn=40)


@dataclass
class SequenceFacts:
    """What an index says about a sequence.

    Attributes:
        sequence_id: Its name.
        num_frames: Number of frames.
        seconds: From the first frame to the last, or None without time stamps.
        rate: Frames per second, of the median step; None without time stamps.
        time_gaps: Where the time between two frames is unusual, in words, each with the frame's path.
        has_poses: Whether there are poses.
        metres: Length of the sensor's way, or None without poses.
        speeds: The speed of each step (N - 1,), m/s, or metres per frame without time stamps; empty without poses.
        turns: The turn of each step (N - 1,), degrees per second or per frame.
        jumps: Where the sensor moves in a way that it cannot, in words, each with the frame's path.
        way: The sensor's places (N, 2), seen from above, metres; empty without poses.
    """

    sequence_id: str
    num_frames: int
    seconds: float | None = None
    rate: float | None = None
    time_gaps: list[str] = field(default_factory=list)
    has_poses: bool = False
    metres: float | None = None
    speeds: np.ndarray = field(default_factory=lambda: np.empty(0))
    turns: np.ndarray = field(default_factory=lambda: np.empty(0))
    jumps: list[str] = field(default_factory=list)
    way: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def per(self) -> str:
        """What speeds and turns are counted by."""
        return 's' if self.seconds is not None else 'frame'


def sequence_facts(sequence: FrameSequence) -> SequenceFacts:
    """Return the facts of a sequence of an index."""
    facts = SequenceFacts(sequence.sequence_id, len(sequence.frames))
    intervals = None
    if sequence.timestamps is not None and len(sequence.frames) > 1:
        intervals = np.diff(sequence.timestamps)
        facts.seconds = float(sequence.timestamps[-1] - sequence.timestamps[0])
        usual = float(np.median(intervals))
        facts.rate = 1 / usual if usual > 0 else None
        facts.time_gaps = describe_time_gaps(sequence.frames, intervals)
    if sequence.poses is not None:
        facts.has_poses = True
        _add_motion(facts, sequence, intervals)
    return facts


def describe_time_gaps(frames: list[str], intervals: np.ndarray) -> list[str]:
    """Say where the time (N - 1,) between frames does not grow, or grows by more than :data:`GAP` times the median."""
    usual = np.median(intervals)
    backwards = [f'{frames[i + 1]} is {-intervals[i]:.3g} s earlier than the frame before it'
                 for i in np.flatnonzero(intervals < 0)]  # fmt: skip
    same = [f'{frames[i + 1]} has the time of the frame before it' for i in np.flatnonzero(intervals == 0)]
    gaps = [f'{frames[i + 1]} comes {intervals[i]:.3g} s after the frame before it, usual are {usual:.3g} s'
            for i in np.flatnonzero((intervals > GAP * usual) & (intervals > 0))]  # fmt: skip
    return [*backwards, *same, *gaps]


def _add_motion(facts: SequenceFacts, sequence: FrameSequence, intervals: np.ndarray | None) -> None:
    """Add what the poses of a sequence say."""
    assert sequence.poses is not None
    places, rotations = sequence.poses[:, :3, 3], sequence.poses[:, :3, :3]
    facts.way = flat_way(places) if sequence.intrinsics is None else places[:, :2]
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    relative = rotations[:-1].transpose(0, 2, 1) @ rotations[1:]
    cosines = (np.trace(relative, axis1=1, axis2=2) - 1) / 2
    turns = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    facts.metres = float(steps.sum())
    limits = VEHICLE if sequence.intrinsics is None else HAND
    if intervals is None:
        facts.speeds, facts.turns = steps, turns
        too_fast = is_jump(steps, limits.step)
        too_turned = is_jump(turns, limits.step_turn)
    else:
        usual = np.median(intervals) if (intervals > 0).any() else 1.0
        times = np.where(intervals > 0, intervals, max(usual, 1e-3))
        facts.speeds, facts.turns = steps / times, turns / times
        too_fast = is_jump(facts.speeds, limits.speed_slack) | (facts.speeds > limits.speed)
        too_turned = is_jump(facts.turns, limits.turn_slack) | (facts.turns > limits.turn)
    for i in np.flatnonzero(too_fast | too_turned):
        facts.jumps.append(
            f'{sequence.frames[i + 1]} is {steps[i]:.3g} m and {turns[i]:.3g} degrees from the frame before it, '
            f'{facts.speeds[i]:.3g} m and {facts.turns[i]:.3g} degrees per {facts.per}'
        )


def is_jump(values: np.ndarray, slack: float) -> np.ndarray:
    """Return where values (N,) are far above their neighbours: :data:`JUMP` times their median, and a slack more."""
    if not len(values):
        return np.zeros(0, np.bool_)
    return values > JUMP * median_filter(values, min(NEIGHBOURS, len(values)), mode='nearest') + slack


def flat_way(places: np.ndarray) -> np.ndarray:
    """Return places (N, 3) as seen along the direction in which they vary least, (N, 2); worlds need not be z-up."""
    centred = places - places.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    flattest = int(np.abs(axes[-1]).argmax()) if len(axes) == 3 else 2
    return np.delete(centred, flattest, axis=1)
