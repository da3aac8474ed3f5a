"""Plausible names for the demo's villages, made of the parts in `template/names.toml`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy


class Namer:
    """Gives out village names, each once, in an order that a seed fixes."""

    def __init__(self, parts: Mapping[str, Any], seed: int) -> None:
        generator = numpy.random.default_rng(seed)
        taken: set[str] = set()
        self._communities = _combine(parts["community_heads"], parts["community_tails"], generator, taken)
        self._hills = _combine(parts["village_heads"], parts["village_tails_hills"], generator, taken)
        self._plain = _combine(parts["village_heads"], parts["village_tails_plain"], generator, taken)

    def name_village(self, community: bool, hilly: bool) -> tuple[str, str]:
        """Return a name not given before, in Chinese and English."""
        if community:
            zh, en = self._communities.pop()
            return f"{zh}社区", f"{en} Community"
        zh, en = (self._hills if hilly else self._plain).pop()
        return f"{zh}村", f"{en} Village"


def _combine(
    heads: Sequence[Sequence[str]],
    tails: Sequence[Sequence[str]],
    generator: numpy.random.Generator,
    taken: set[str],
) -> list[tuple[str, str]]:
    """Return head + tail names in random order, none twice in Chinese or in English."""
    names: list[tuple[str, str]] = []
    for head, head_en in heads:
        for tail, tail_en in tails:
            zh, en = head + tail, head_en + tail_en
            if zh not in taken and en not in taken:
                taken.update((zh, en))
                names.append((zh, en))
    return [names[int(i)] for i in generator.permutation(len(names))]
