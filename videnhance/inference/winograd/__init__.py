"""Networks on the CPU with our own convolutions, faster than ncnn's; see docs/adr/0004.

Importing the package is cheap; `network` and what it needs import numba.
"""

BYTES_PER_PIXEL = {"Compact": 500, "ESRGAN": 8_500}
"""Architectures it can run, as the cards name them, and what a call takes per input pixel."""
