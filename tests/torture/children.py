"""Child processes that begin without the start-up of an interpreter, and are killed."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from disk import Disk
from scenes import nnexp


def begin(
    *words: str | Path, answer: Path, gate: int | None = None, disk: Disk | None = None
) -> int:
    """Run a command in a child process; return its pid.

    Args:
        words: the command line.
        answer: where the child writes what the command wrote to stderr.
        gate: a file that the child reads to its end before it begins.
        disk: stands before the child's files.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        if gate is not None:
            os.read(gate, 1)
        if disk is not None:
            disk.__enter__()
        ended = nnexp(*words)
        answer.write_text(ended.err)
        code = ended.code
    except BaseException:
        answer.write_text(traceback.format_exc())
    sys.stdout.flush()
    os._exit(code)


def end(pid: int, *, kill: bool = False) -> int:
    """Wait for a child, or kill it; return its exit code, negative for a signal."""
    if kill:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Deadly(Disk):
    """Kills its own process before a call, or halfway through it if it is a write."""

    def __init__(self, root: Path, at: int, *, halfway: bool = False) -> None:
        super().__init__(root)
        self.at, self.halfway = at, halfway

    def before(self, name: str, path: str) -> None:
        """Die at its call."""
        if self.calls == self.at and not (self.halfway and name == "write"):
            os.kill(os.getpid(), signal.SIGKILL)

    def most(self, data: Any) -> Any:
        """Write half of it, and die at the next call."""
        if self.halfway and self.calls == self.at:
            self.halfway, self.at = False, self.at + 1
            return data[: max(1, len(data) // 2)]
        return data
