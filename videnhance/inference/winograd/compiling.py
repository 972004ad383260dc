"""How functions are compiled: once per installation, and so that NaNs survive.

Importing a module with kernels imports numba and loads the compiled code, or compiles it where
that module, the processor or numba has changed. The code is kept in `__pycache__` beside the
module, or in the user's cache folder where that is read-only. It is looked up by that module alone,
so `__pycache__` has to go by hand after a change to the options here or to `vectors`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., object])

# Sums may be fused, and zeros lose their sign; NaNs and infinities must stay what they are.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
}


def kernel(signature: str) -> Callable[[Function], Function]:
    """Compile for these types alone, or load what an earlier process has compiled."""

    def compiled(function: Function) -> Function:
        result: Function
        try:
            result = numba.njit(signature, cache=True, **_OPTIONS)(function)
        except RuntimeError:  # there is no folder to keep it in
            result = numba.njit(signature, **_OPTIONS)(function)
        return result

    return compiled


def helper(function: Function) -> Function:
    """Compile as part of the kernels that call it, which must be in the same module."""
    result: Function = numba.njit(**_OPTIONS)(function)
    return result
