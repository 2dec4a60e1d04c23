"""`python -m core`, the same as `vurksha`."""

import gc

gc.disable()  # imports make much and drop little: collecting meanwhile costs a tenth of the start

from core.cli import main  # noqa: E402  the line above must come first

if __name__ == "__main__":
    main()
