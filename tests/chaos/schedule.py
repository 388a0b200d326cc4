"""Schedules: a seed decides which fault follows after how many seconds."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHORTEST_S, LONGEST_S = 0.05, 5.0
"""Bounds of the seconds between two faults. Their logarithm is uniform: agents die while they start as while they run."""
KILL, POINT, FIRST_POINT, TERM = "kill", "fail point", "fail point at the first start", "short grace"


BOUNDS = math.log(SHORTEST_S), math.log(LONGEST_S)


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: `after` seconds since the one before; `seed` decides its details."""

    after: float
    fault: str
    seed: int

    def __str__(self) -> str:
        return f"+{self.after:.2f} s  {self.fault}  ({self.seed})"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A sequence of faults at one place."""

    seed: int
    place: str
    steps: tuple[Step, ...]

    @classmethod
    def of(
        cls, seed: int, place: str, weights: Mapping[str, float], length: int, must: Sequence[str] = ()
    ) -> "Schedule":
        """Choose `length` faults by weight; each of `must` at least once. Equal seeds give equal schedules."""
        chance = random.Random(f"{seed} {place}")
        names = list(must) + chance.choices(list(weights), list(weights.values()), k=max(0, length - len(must)))
        names = [name for name in names if name != FIRST_POINT]
        chance.shuffle(names)
        if FIRST_POINT in weights:
            names.insert(0, FIRST_POINT)
        steps = (Step(round(math.exp(chance.uniform(*BOUNDS)), 2), name, chance.randrange(1 << 16)) for name in names)
        return cls(seed, place, tuple(steps))

    def __str__(self) -> str:
        return "\n".join(
            [f"seed {self.seed}, {self.place}: {len(self.steps)} faults", *(f"  {step}" for step in self.steps)]
        )
