"""`python -m videnhance` is the command `videnhance`."""

from videnhance.cli import main

if __name__ == "__main__":
    main()
