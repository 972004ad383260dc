"""Everything that touches a media file; the only package that imports `av`."""
