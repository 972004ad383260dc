"""videnhance enlarges and cleans recorded video, and proves what it wrote."""
