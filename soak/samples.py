"""What is measured of a wall and its servers at one moment, and the file of many such moments."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One look at everything; memory in MB: what is resident of processes, what Redis itself says that it holds.

    updates, scenes: so many deltas the wall has folded in, and scenes it has shown, since the soak began. heap_mb: of
    JavaScript, after a collection; code_mb: of it machine code. contexts: WebGL contexts that are alive; contexts_lost:
    how many were ever lost.
    """

    at_s: float
    updates: int
    scenes: int
    heap_mb: float
    code_mb: float
    nodes: int
    listeners: int
    documents: int
    contexts: int
    contexts_lost: int
    renderer_mb: float
    gpu_mb: float
    web_mb: float
    ingest_mb: float
    recorder_mb: float
    redis_mb: float

    @property
    def objects_mb(self) -> float:
        """Return what of the heap is objects: what a leak is of."""
        return self.heap_mb - self.code_mb


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Write samples as CSV, one a line."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in samples)


def read_samples(path: Path) -> list[Sample]:
    """Return the samples of a file that `write_samples` wrote."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = {field.name: int if field.type is int else float for field in fields(Sample)}
    return [Sample(**{name: kinds[name](value) for name, value in row.items()}) for row in rows]
