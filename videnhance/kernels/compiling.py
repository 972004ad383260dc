"""Compile functions with numba, once per installation, and such that NaNs survive.

Importing a module with kernels imports numba and loads the compiled code. If the source in the
module's folder or in this one, the processor, or numba has changed, the code is compiled anew. It
is kept in `__pycache__` beside the module, or in the user's cache folder if that is read-only.
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

# Products and sums may be fused, and zeros may lose their sign. NaNs and infinities must survive.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
}


@cache
def _sources(folder: Path) -> str:
    """Hash of the source of all modules in a folder and in this one."""
    paths = sorted({*folder.glob("*.py"), *Path(__file__).parent.glob("*.py")})
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


class _Cache(FunctionCache):  # type: ignore[misc]
    """Finds compiled code by the source of whole folders, not only by that of its module.

    It also saves a tenth of a second by not importing everything that numba can compile. Both rely
    on private names of numba. If these change, code is found by its module alone and everything is
    imported, as with numba's own cache.
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
        rtsys.initialize(target_context)  # kernels allocate memory through it
        with guarded():
            return load(sig, target_context)


def kernel(signature: str) -> Callable[[Function], Function]:
    """Compile a function for one signature, or load the code that an earlier process compiled."""

    def compiled(function: Function) -> Function:
        result: Any = numba.njit(**_OPTIONS)(function)
        with suppress(RuntimeError):  # there is no folder to keep the code in
            result._cache = _Cache(function)
        result.compile(signature)
        result.disable_compile()
        kernel: Function = result
        return kernel

    return compiled


def helper(function: Function) -> Function:
    """Compile a function as part of the kernels that call it."""
    result: Function = numba.njit(**_OPTIONS)(function)
    return result
