"""The ring: bounded, and exact about who has missed what."""

import pytest

from dashboard.ring import Frame, FrameId, Ring, read_frame_id


def fill(ring: Ring, count: int, size: int = 10) -> FrameId:
    for seq in range(1, count + 1):
        ring.push(Frame(FrameId("e", seq), b"x" * size, b""))
    return FrameId("e", count)


def test_a_cursor_gets_what_came_after_it() -> None:
    ring = Ring()
    newest = fill(ring, 5)
    found = ring.after(FrameId("e", 3), newest)
    assert found is not None
    assert [frame.id.seq for frame in found] == [4, 5]
    assert ring.after(newest, newest) == []


def test_who_fell_out_is_told() -> None:
    ring = Ring(most_frames=3)
    newest = fill(ring, 10)
    assert ring.after(FrameId("e", 6), newest) is None
    assert ring.after(FrameId("e", 7), newest) is not None
    assert ring.after(FrameId("other", 9), newest) is None
    assert ring.after(FrameId("e", 12), newest) is None


def test_bytes_are_bounded_and_one_frame_always_fits() -> None:
    ring = Ring(most_bytes=100)
    fill(ring, 50, size=30)
    assert ring.bytes_held <= 100
    fill(ring, 1, size=1000)
    assert (len(ring), ring.bytes_held) == (1, 1000)


@pytest.mark.parametrize("text", [None, "", "-", "a", "a-", "-4", "a-b", "a-²", "a-" + "1" * 30])
def test_nonsense_is_no_position(text: str | None) -> None:
    assert read_frame_id(text) is None


def test_a_position_survives_the_wire() -> None:
    assert read_frame_id(str(FrameId("ab-cd", 12))) == FrameId("ab-cd", 12)
