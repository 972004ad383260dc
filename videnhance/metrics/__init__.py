"""Measures of fidelity and of steadiness, as pure functions and streaming classes on luma arrays.

They know nothing of files or of the methods that they measure. Every array is float32 luma in 0..1
of shape (H, W), with at least `LEAST_SIDE` samples a side.
"""

from videnhance.metrics.fidelity import (
    back_projection_error,
    decibels,
    gradient_energy,
    psnr,
    squared_error,
    ssim,
)
from videnhance.metrics.motion import LEAST_SIDE, MeasuredMotion, MotionTracker, dense_flow
from videnhance.metrics.noise import noise_level, static_pixels
from videnhance.metrics.temporal import (
    FlowDifference,
    LuminanceFlicker,
    StaticFlicker,
    WarpError,
)

__all__ = [
    "LEAST_SIDE",
    "FlowDifference",
    "LuminanceFlicker",
    "MeasuredMotion",
    "MotionTracker",
    "StaticFlicker",
    "WarpError",
    "back_projection_error",
    "decibels",
    "dense_flow",
    "gradient_energy",
    "noise_level",
    "psnr",
    "squared_error",
    "ssim",
    "static_pixels",
]
