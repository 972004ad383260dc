"""What frames have in common: scenes, motion with its confidence, and detail that follows it."""
