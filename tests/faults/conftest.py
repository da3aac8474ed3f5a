"""What the fault tests share."""

from collections.abc import Callable

import pytest


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line that is seen even where the test passes."""

    def print_line(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")  # noqa: T201

    return print_line
