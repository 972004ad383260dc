"""How functions are compiled: once per installation, and so that NaNs survive.

Importing a module with kernels imports numba and loads the compiled code, or compiles it where
the module's folder, this one, the processor or numba have changed. The code is kept in
`__pycache__` beside the module, or in the user's cache folder where that is read-only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., object])

# Sums may be fused, and zeros lose their sign; NaNs and infinities must stay what they are.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
}


@cache
def _sources(folder: Path) -> str:
    """What the modules of a folder and of this one say, as a hash."""
    paths = sorted({*folder.glob("*.py"), *Path(__file__).parent.glob("*.py")})
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


class _Cache(FunctionCache):  # type: ignore[misc]
    """Finds compiled code by the source of whole folders, not by that of its module alone.

    And it does not first import everything that numba can compile, which takes a tenth of a second.
    Were these parts of numba to get other names, code would be looked up by the module again, and
    all of that be imported.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)
        self._folder = Path(function.__code__.co_filename).parent

    def _index_key(self, *arguments: Any) -> tuple[Any, ...]:
        return (*super()._index_key(*arguments), _sources(self._folder))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            from numba.core.runtime import rtsys

            guarded, load = self._guard_against_spurious_io_errors, self._load_overload
        except (ImportError, AttributeError):
            return super().load_overload(sig, target_context)
        rtsys.initialize(target_context)  # kernels get memory from it
        with guarded():
            return load(sig, target_context)


def kernel(signature: str) -> Callable[[Function], Function]:
    """Compile for these types alone, or load what an earlier process has compiled."""

    def compiled(function: Function) -> Function:
        result: Any = numba.njit(**_OPTIONS)(function)
        with suppress(RuntimeError):  # there is no folder to keep it in
            result._cache = _Cache(function)
        result.compile(signature)
        result.disable_compile()
        kernel: Function = result
        return kernel

    return compiled


def helper(function: Function) -> Function:
    """Compile as part of the kernels that call it."""
    result: Function = numba.njit(**_OPTIONS)(function)
    return result
