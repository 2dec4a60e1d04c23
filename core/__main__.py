"""`python -m core`, the same as `vurksha`."""

from core.cli import main

if __name__ == "__main__":
    main()
