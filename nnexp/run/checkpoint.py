"""checkpoint.npz: what an exact resume needs, as arrays and JSON; never pickle."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.errors import DataError, ResumeError
from nnexp.io.npz import open_archive
from nnexp.nn.types import Array

_STATE = "state"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after an epoch.

    Attributes:
        arrays: parameters and what else is large.
        state: everything else, as JSON values.
    """

    arrays: Mapping[str, Array]
    state: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Return the contents of the file."""
        buffer = io.BytesIO()
        text = json.dumps(self.state, ensure_ascii=False).encode()
        arrays = {**self.arrays, _STATE: np.frombuffer(text, np.uint8)}
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None where there is none.

    Raises:
        ResumeError: it is damaged, or not a checkpoint.
    """
    try:
        # It is not compressed: its arrays together are no larger than the file.
        size = path.stat(follow_symlinks=False).st_size
        with open_archive(path, size, follow=False) as archive:
            arrays = {name: archive.read(name) for name in archive.names}
        state = json.loads(arrays.pop(_STATE).tobytes())
    except FileNotFoundError:
        return None
    except (OSError, DataError, ValueError, KeyError, RecursionError) as error:
        said = str(error).removeprefix(f"{path}: ")
        raise ResumeError(
            f"{path}: cannot be read, so the run cannot be resumed: {said}"
        ) from error
    if not isinstance(state, dict):
        raise ResumeError(f"{path}: is not a checkpoint")
    return Checkpoint(arrays, state)
