"""Keeps one replica alive: `launch.py PLACE RELEASE PROGRAM ...`; SIGTERM ends both.

PLACE is a file that keeper and replica hold locked for as long as they live. So nobody starts two in one place, and
whoever looks knows whether one runs: a tool that is killed leaves no process that the next run does not know of.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
LOOKS = 20


def main() -> None:
    """Lock, go into the background, run the program again whenever it ends; leave where a replica runs already."""
    place, release, program = sys.argv[1], sys.argv[2], sys.argv[3:]
    file = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    if not _locked(file):
        return
    if keeper := os.fork():
        os.truncate(file, 0)
        os.write(file, json.dumps({"pid": keeper, "release": release}).encode())
        os._exit(0)  # whoever began this knows now that the place is taken
    os.setsid()
    _keep(program, file)


def _locked(file: int) -> bool:
    """Whether the place is ours. Who only looks holds it for a moment too."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _keep(program: list[str], file: int) -> None:
    asked: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def stop(number: int, _: object) -> None:
        if asked:  # a replica that is asked twice drops what is under way
            return
        asked.append(number)
        for one in running:
            one.terminate()

    signal.signal(signal.SIGTERM, stop)
    pause = FIRST_PAUSE
    while not asked:
        running[:] = [subprocess.Popen(program, pass_fds=(file,))]
        if asked:  # between the look above and the list
            running[0].terminate()
        code = running[0].wait()
        if not asked:
            sys.stderr.write(f"ended with {code}: starting another\n")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


if __name__ == "__main__":
    main()
