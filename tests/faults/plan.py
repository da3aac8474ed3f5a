"""What befalls the plant and when: drawn from a seed, so that a run that failed can be had again."""

import os
import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from tests.faults.load import GIVE_UP_AFTER_S, Load
from tests.faults.plant import Plant

PAIRS_IN_CI = 3
HOLDS_IN_CI = 1


@dataclass(frozen=True)
class Blow:
    """One part is killed, or two one shortly after the other, and each started again; or one is held.

    after_s: how long everything runs before; apart_s: between the two; away_s: how long each is away.
    """

    deed: str
    parts: tuple[str, ...]
    after_s: float
    apart_s: float
    away_s: tuple[float, ...]


def choose_seed() -> int:
    """Return `FAULTS_SEED`, or else a new one."""
    return int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))


def draw_plan(seed: int, parts: Sequence[str], rounds: int) -> list[Blow]:
    """Return each part killed alone, then in pairs, then held: all of it in each of some rounds, or a part for 0."""
    chance = random.Random(seed)
    pairs = list(combinations(parts, 2))
    # A database is many processes: to hold one of them would be something else.
    holdable = [part for part in parts if part != "database"]
    plan: list[Blow] = []
    for _ in range(max(rounds, 1)):
        plan += [_draw_kill(chance, [part]) for part in chance.sample(parts, len(parts))]
        plan += [_draw_kill(chance, pair) for pair in chance.sample(pairs, len(pairs) if rounds else PAIRS_IN_CI)]
        plan += [
            # Longer than senders wait: they send again what is being taken.
            Blow("hold", (part,), _draw_s(chance, 0, 0.8), 0, (_draw_s(chance, GIVE_UP_AFTER_S, GIVE_UP_AFTER_S + 1),))
            for part in chance.sample(holdable, len(holdable) if rounds else HOLDS_IN_CI)
        ]
    return plan


def strike(plant: Plant, load: Load, blow: Blow) -> None:
    """Carry one blow out; returns when every part has been started again."""
    time.sleep(blow.after_s)
    if blow.deed == "hold":
        plant.hold(blow.parts[0], blow.away_s[0])
        return
    began = time.monotonic()
    kills = [(number * blow.apart_s, part) for number, part in enumerate(blow.parts)]
    starts = [(at_s + away_s, part) for (at_s, part), away_s in zip(kills, blow.away_s, strict=True)]
    deeds = sorted([*((at_s, "kill", part) for at_s, part in kills), *((at_s, "start", part) for at_s, part in starts)])
    for at_s, deed, part in deeds:
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        if deed == "start":
            plant.start(part)
            continue
        plant.kill(part)
        if part == "broker":
            load.mqtt.note_kill()


def _draw_kill(chance: random.Random, parts: Collection[str]) -> Blow:
    order = tuple(chance.sample(list(parts), len(parts)))
    away_s = tuple(_draw_s(chance, 0, 1) for _ in order)
    return Blow("kill", order, _draw_s(chance, 0, 0.8), _draw_s(chance, 0, 1.2), away_s)


def _draw_s(chance: random.Random, least: float, most: float) -> float:
    return round(chance.uniform(least, most), 3)
