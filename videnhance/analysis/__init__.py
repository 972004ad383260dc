"""What a recording shows, measured on a few of its frames."""
