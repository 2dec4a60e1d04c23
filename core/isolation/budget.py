"""A plugin's error budget: how much may go wrong before it is put aside."""

import time
from collections import deque
from collections.abc import Callable

from core.settings import IsolationSettings

CELLS = 6
"""In which the window is counted, so that nothing is kept per call."""


class Budget:
    """Spent by failures in a row, or by their share of enough calls within the window."""

    def __init__(self, settings: IsolationSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._every = settings.window / CELLS
        self.renew()

    def renew(self) -> None:
        """Forget what was."""
        self._cells = deque(([0, 0] for _ in range(CELLS)), maxlen=CELLS)
        self._cell, self._turn, self._streak = self._cells[-1], self._clock() + self._every, 0

    def succeeded(self) -> None:
        """One call went well."""
        if self._clock() >= self._turn:
            self._rotate()
        self._streak = 0
        self._cell[0] += 1

    def failed(self) -> str:
        """One call went wrong; how the budget was spent, or nothing while some is left."""
        if self._clock() >= self._turn:
            self._rotate()
        self._streak += 1
        self._cell[0] += 1
        self._cell[1] += 1
        if self._streak >= self._settings.failures:
            return f"{self._streak} failures in a row"
        calls, failed = map(sum, zip(*self._cells, strict=True))
        if calls >= self._settings.fewest and failed >= self._settings.share * calls:
            return f"{failed} of {calls} calls failed within {self._settings.window:g} s"
        return ""

    def _rotate(self) -> None:
        gone = int((self._clock() - self._turn) / self._every) + 1
        self._cells.extend([0, 0] for _ in range(min(gone, CELLS)))
        self._cell = self._cells[-1]
        self._turn += gone * self._every
