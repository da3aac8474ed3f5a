"""How alike two short texts are, Chinese or not: by the words they share, rare ones more than common ones.

Chinese is taken as pairs of characters, which needs no dictionary; all else as words and numbers, so that 3栋 and 5栋
differ as house numbers do. The rarity of a word is its inverse document frequency; the likeness is the share of
weight that both texts have (Ochiai's coefficient), so a short title and a long story can be alike.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

MOST_CHARACTERS: Final = 400  # of a text; a story's beginning says what it is about
_RUNS: Final = re.compile(r"[㐀-䶿一-鿿]+|[^\W_㐀-䶿一-鿿]+")
_CHINESE: Final = re.compile(r"[㐀-䶿一-鿿]")


@lru_cache(maxsize=16_384)
def split_words(text: str) -> frozenset[str]:
    """Return the words of a text: pairs of Chinese characters (a lone one by itself), other words and numbers."""
    words: set[str] = set()
    for run in _RUNS.findall(unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).lower()):
        if len(run) > 1 and _CHINESE.match(run):
            words.update(run[start : start + 2] for start in range(len(run) - 1))
        else:
            words.add(run)
    return frozenset(words)


class Vocabulary:
    """In how many texts each word occurs; an empty one holds every word for equally rare."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = 0
        self._occurs: Counter[str] = Counter()
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Count a text."""
        self._texts += 1
        self._occurs.update(split_words(text))

    def remove(self, text: str) -> None:
        """Take back a text that was counted."""
        self._texts -= 1
        for word in split_words(text):
            if self._occurs[word] > 1:
                self._occurs[word] -= 1
            else:
                del self._occurs[word]

    def weigh(self, word: str) -> float:
        """Return how much a word says: next to nothing for one that is in every text, more for a rare one."""
        return math.log((self._texts + 2) / (self._occurs.get(word, 0) + 1))

    def compare(self, one: frozenset[str], other: frozenset[str]) -> float:
        """Return how alike two sets of words are: 0 nothing shared, 1 the same; 0 if either is empty."""
        shared = self._weigh_all(one & other)
        return shared / math.sqrt(self._weigh_all(one) * self._weigh_all(other)) if shared else 0.0

    def pick_telling(self, one: frozenset[str], other: frozenset[str], most: int) -> tuple[str, ...]:
        """Return the shared words that say most, the rarest first."""
        return tuple(sorted(one & other, key=lambda word: (-self.weigh(word), word))[:most])

    def _weigh_all(self, words: Iterable[str]) -> float:
        return sum(map(self.weigh, words))
