"""How our own networks are made: photographs and clips in, weights out."""
