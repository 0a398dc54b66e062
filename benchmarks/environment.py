"""What the measured processes find in their environment, and what is recorded of the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Settings of the shell that would choose kernels or threads for some of the contenders.
TUNING = (
    *("OPENBLAS_", "GOTO_", "OMP_", "KMP_", "MKL_", "VECLIB_", "DNNL_", "ONEDNN_", "ATEN_"),
    *("TORCH_", "JAX_", "XLA_", "NPY_", "PYTHONDONTWRITEBYTECODE"),
)
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}
PACKAGES = ("nnexp", "numpy", "torch", "jax", "jaxlib", "scikit-learn")


def neutral(blas_kernel: str | None) -> dict[str, str]:
    """Return this environment without settings that favour one library.

    Args:
        blas_kernel: the kernel OpenBLAS must use; None lets it choose for the machine.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(TUNING)}
    return kept | ({"OPENBLAS_CORETYPE": blas_kernel} if blas_kernel else {})


def one_thread(blas_kernel: str | None) -> dict[str, str]:
    """Return the same with every library on one thread."""
    return neutral(blas_kernel) | ONE_THREAD


def machine() -> dict[str, Any]:
    """Describe the machine and the versions of the contenders."""
    return {
        "system": platform.system(),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
