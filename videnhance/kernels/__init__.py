"""Pure functions on arrays: resize, colour, chroma."""
