"""Pure functions on arrays: resize, colour, chroma, motion, noise, blending."""
