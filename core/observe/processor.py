"""What the system knows of a thread."""

from pathlib import Path


def awake(thread: int) -> float | None:
    """Seconds for which a thread ran, or would have if it had been given a processor; the rest it slept.

    `thread` is its native id. None where the system does not tell: only Linux does.
    """
    try:
        ran, waited, _ = Path(f"/proc/self/task/{thread}/schedstat").read_text().split()
    except (OSError, ValueError):
        return None
    return (int(ran) + int(waited)) / 1e9 if int(ran) else None
