"""Python's search for reference cycles, for processes that hold many small objects for a moment."""

import gc
from typing import Final

OBJECTS_BETWEEN_SEARCHES: Final = 200_000


def search_rarely() -> None:
    """Leave out of the search what is there by now, and search less often; call it once, when all is set up.

    A batch is tens of thousands of objects that live until it is done, and none is in a cycle: with Python's own
    threshold of 700 the recorder spends half of its time looking.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
