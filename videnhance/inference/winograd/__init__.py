"""Run networks on the CPU with our own convolutions, which are faster than ncnn's (docs/adr/0004).

Importing the package is cheap; its module `network` imports numba.
"""

BYTES_PER_PIXEL = {"Compact": 500, "ESRGAN": 8_500}
"""Bytes of memory per input pixel that a call takes, by architecture; only these can be run."""
