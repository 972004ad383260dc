"""`python -m videnhance` is the command `videnhance`."""

from videnhance.cli import run

if __name__ == "__main__":
    run()
