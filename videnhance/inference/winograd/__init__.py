"""Networks on the CPU with our own convolutions, faster than ncnn's; see docs/adr/0004.

Importing the package is cheap; `network` and what it needs import numba.
"""

ARCHITECTURES = ("Compact", "ESRGAN")
"""Those it can run, as the cards name them."""
