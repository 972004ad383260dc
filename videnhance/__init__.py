"""videnhance enlarges and cleans recorded video, and proves what it wrote."""

__version__ = "0.1.0"
