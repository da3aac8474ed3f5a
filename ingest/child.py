"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def start_child(command: Sequence[str], environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, bound to this process's life.

    A terminal's Ctrl-C reaches only us, so that we can stop our children in order; and the kernel ends a child
    with SIGTERM when we die without a word. Call it from the main thread: the kernel watches the thread that
    started the child.
    """
    return subprocess.Popen(
        command,
        env=None if environ is None else {**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_bind_to_parent,
    )


def _bind_to_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
