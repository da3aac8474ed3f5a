"""A gently bent plane: what turns straight lines into borders that look grown."""

import math
from dataclasses import dataclass

import numpy
import numpy.typing

Points = numpy.typing.NDArray[numpy.float64]

_OCTAVES = 5
_WAVES_PER_OCTAVE = 5


@dataclass(frozen=True)
class Relief:
    """A displacement of the plane made of waves from `coarsest_m` to `finest_m` long.

    Each octave slopes alike (so the small ones are low), as coastlines do; while the slopes add up to less than
    one the plane bends without folding, so lines that did not cross still do not.
    """

    finest_m: float
    waves: Points
    phases: Points
    shifts: Points

    @classmethod
    def make(cls, seed: int, coarsest_m: float, finest_m: float, roughness: float) -> "Relief":
        """Return the relief of a seed; `roughness` is the root mean square slope of each octave."""
        generator = numpy.random.default_rng((seed, 7))
        lengths = coarsest_m * (finest_m / coarsest_m) ** (numpy.arange(_OCTAVES) / (_OCTAVES - 1))
        lengths = numpy.repeat(lengths, _WAVES_PER_OCTAVE) * generator.uniform(0.85, 1.15, _OCTAVES * _WAVES_PER_OCTAVE)
        headings = generator.uniform(0, 2 * math.pi, len(lengths))
        heights = roughness * lengths / (2 * math.pi) * math.sqrt(2 / _WAVES_PER_OCTAVE)
        directions = generator.uniform(0, 2 * math.pi, len(lengths))
        turns = 2 * math.pi / lengths
        return cls(
            finest_m=finest_m,
            waves=numpy.vstack([turns * numpy.cos(headings), turns * numpy.sin(headings)]),
            phases=generator.uniform(0, 2 * math.pi, len(lengths)),
            shifts=numpy.column_stack([heights * numpy.cos(directions), heights * numpy.sin(directions)]),
        )

    def bend(self, points: Points) -> Points:
        """Return points (n × 2, metres) where the relief moves them; equal points stay equal to the last bit."""
        # A matrix product rounds differently from row to row, so each place is computed once.
        places, where = numpy.unique(points, axis=0, return_inverse=True)
        moved: Points = places + numpy.sin(places @ self.waves + self.phases) @ self.shifts
        return moved[where]
