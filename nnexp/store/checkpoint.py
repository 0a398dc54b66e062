"""checkpoint.npz: what an exact resume needs, as arrays and JSON; never pickle."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.errors import ResumeError
from nnexp.nn.types import Array

_STATE = "state"
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    MemoryError,
    OverflowError,
    SyntaxError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


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
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        state = json.loads(arrays.pop(_STATE).tobytes())
    except FileNotFoundError:
        return None
    except _DAMAGED as error:
        raise ResumeError(
            f"{path}: cannot be read, so the run cannot be resumed: {error}"
        ) from error
    if not isinstance(state, dict):
        raise ResumeError(f"{path}: is not a checkpoint")
    return Checkpoint(arrays, state)
