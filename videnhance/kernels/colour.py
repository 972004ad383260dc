"""Convert Y'CbCr code values to R'G'B' and back, by the matrices and ranges of ITU-T H.273.

Planes are float32 arrays of code values, RGB is `core.Image`. Results are neither rounded nor
clipped.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image, InputError, Matrix

Plane: TypeAlias = NDArray[np.float32]
"""One component, shape (H, W), float32."""

_Row: TypeAlias = tuple[list[tuple[int, np.float32]], np.float32]
"""How to compute one output plane: indices and weights of the planes to sum, and a constant."""

_GREY = 1 / 1024
"""A quarter of an 8-bit code value: colour below it is rounding."""

_LUMA_WEIGHTS = {
    Matrix.BT709: (0.2126, 0.0722),
    Matrix.FCC: (0.30, 0.11),
    Matrix.BT470BG: (0.299, 0.114),
    Matrix.SMPTE170M: (0.299, 0.114),
    Matrix.SMPTE240M: (0.212, 0.087),
    Matrix.BT2020_NCL: (0.2627, 0.0593),
}
"""K_R and K_B of H.273 table 4."""

_UNSUPPORTED = {
    10: "BT.2020 constant luminance",
    11: "SMPTE ST 2085",
    12: "chromaticity-derived, non-constant luminance",
    13: "chromaticity-derived, constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
"""Names of the matrices of H.273 that this program does not support."""


def guess_matrix(width: int, height: int) -> Matrix:
    """The matrix to assume if a source names none.

    It is that of standard definition, BT.601 (`SMPTE170M`), for pictures less than 1280 wide and
    less than 720 high, and BT.709 for all others. It is a guess, so the user should be told.
    """
    return Matrix.SMPTE170M if width < 1280 and height < 720 else Matrix.BT709


def check_matrix(matrix: int) -> Matrix:
    """Return `matrix` as a `core.Matrix`, if this program supports it.

    Raises ValueError for UNSPECIFIED (resolve it beforehand, see `guess_matrix`) and InputError
    for any other matrix that is not supported.
    """
    if matrix == Matrix.UNSPECIFIED:
        raise ValueError("the colour matrix must be resolved before pixels are converted")
    try:
        return Matrix(matrix)
    except ValueError:
        name = _UNSUPPORTED.get(matrix, "unknown")
        raise InputError(
            f"The video uses the colour matrix {matrix} ({name}), which is not supported; "
            "convert it to BT.709 or BT.2020 non-constant luminance first."
        ) from None


def rgb_from_yuv(
    y: Plane,
    cb: Plane,
    cr: Plane,
    matrix: int,
    full_range: bool,
    depth: int,
    out: Image | None = None,
) -> Image:
    """R'G'B' of shape (3, H, W), in `out` if given, from planes (H, W) of `depth`-bit code values.

    With `Matrix.YCGCO`, `cb` and `cr` are Cg and Co. Raises the errors of `check_matrix`, and
    ValueError for `Matrix.RGB`, which has no luma.
    """
    target = np.empty((3, *y.shape), np.float32) if out is None else out
    return _apply(_to_rgb(check_matrix(matrix), full_range, depth), (y, cb, cr), target)


def yuv_from_rgb(image: Image, matrix: int, full_range: bool, depth: int) -> Image:
    """Y', Cb and Cr, shape (3, H, W), as unrounded `depth`-bit code values.

    Raises the same errors as `rgb_from_yuv`.
    """
    rows = _to_yuv(check_matrix(matrix), full_range, depth)
    return _apply(rows, (image[0], image[1], image[2]), np.empty_like(image))


def luma_from_rgb(image: Image, matrix: int) -> Plane:
    """Y' of nominal range 0..1, shape (H, W); for `Matrix.RGB` with the weights of BT.709."""
    known = check_matrix(matrix)
    weights = _rgb_to_yuv(Matrix.BT709 if known is Matrix.RGB else known)[0]
    luma: Plane = image[0] * np.float32(weights[0])
    luma += image[1] * np.float32(weights[1])
    luma += image[2] * np.float32(weights[2])
    return luma


def luma_codes(full_range: bool, depth: int) -> tuple[float, float]:
    """Scale and offset that take 0..1 of Y', R', G' or B' to code values (H.273 section 8.3)."""
    if full_range:
        return float((1 << depth) - 1), 0.0
    unit = 2.0 ** (depth - 8)
    return 219.0 * unit, 16.0 * unit


def _rgb_to_yuv(matrix: Matrix) -> NDArray[np.float64]:
    """Rows Y', Cb, Cr (Y, Cg, Co) over columns R', G', B', by the equations of H.273."""
    if matrix is Matrix.YCGCO:
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0.0, -0.5]])
    if matrix is Matrix.RGB:
        raise ValueError("the RGB matrix applies to GBR formats only")
    kr, kb = _LUMA_WEIGHTS[matrix]
    y = np.array([kr, 1 - kr - kb, kb])
    cb = (np.array([0.0, 0.0, 1.0]) - y) / (2 * (1 - kb))
    cr = (np.array([1.0, 0.0, 0.0]) - y) / (2 * (1 - kr))
    return np.stack([y, cb, cr])


def _transform(
    matrix: Matrix, full_range: bool, depth: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix (3, 3) and offset (3,) from R'G'B' to code values."""
    scale, black = luma_codes(full_range, depth)
    # H.273 quantises R'G'B' before it forms YCgCo. So the limited-range chroma of YCgCo spans 219
    # steps, that of all others 224.
    chroma = scale if full_range or matrix is Matrix.YCGCO else 224.0 * 2.0 ** (depth - 8)
    middle = 2.0 ** (depth - 1)
    scales = np.array([[scale], [chroma], [chroma]])
    return scales * _rgb_to_yuv(matrix), np.array([black, middle, middle])


@lru_cache(maxsize=32)
def _to_yuv(matrix: Matrix, full_range: bool, depth: int) -> tuple[_Row, ...]:
    forward, offset = _transform(matrix, full_range, depth)
    return _rows(forward, offset)


@lru_cache(maxsize=32)
def _to_rgb(matrix: Matrix, full_range: bool, depth: int) -> tuple[_Row, ...]:
    forward, offset = _transform(matrix, full_range, depth)
    inverse = np.linalg.inv(forward)
    return _rows(inverse, -inverse @ offset)


def _rows(matrix: NDArray[Any], offset: NDArray[Any]) -> tuple[_Row, ...]:
    # Weights that are 0 except for rounding errors (Cb in R', Cr in B') are left out.
    least = 1e-12 * float(np.abs(matrix).max())
    return tuple(
        ([(j, np.float32(w)) for j, w in enumerate(row) if abs(w) > least], np.float32(constant))
        for row, constant in zip(matrix, offset, strict=True)
    )


def _apply(rows: tuple[_Row, ...], planes: tuple[Plane, Plane, Plane], out: Image) -> Image:
    """Weighted sums of the planes, sample by sample, into `out`.

    Plain element-wise products and sums, not BLAS, so the result depends on nothing but the input.
    """
    term = np.empty_like(planes[0])
    for (weights, constant), target in zip(rows, out, strict=True):
        (first, weight), *others = weights
        np.multiply(planes[first], weight, out=target)
        target += constant
        for j, weight in others:
            np.multiply(planes[j], weight, out=term)
            target += term
    return out


def is_grey(image: Image) -> bool:
    """Whether an image has no colour, to a quarter of an 8-bit code value."""
    red, green, blue = image
    return bool(abs(red - green).max() < _GREY and abs(blue - green).max() < _GREY)


def without_colour(image: Image) -> Image:
    """The mean of the channels in all three."""
    grey = image[0] + image[1]
    grey += image[2]
    grey *= 1 / 3
    image[:] = grey
    return image
