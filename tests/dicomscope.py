"""DICOMscope (OFFIS) on a screen of its own: films and presentation states as a viewer draws them.

It has no other way in than its buttons, so it is used with mouse and keys. What is waited for is
what the screen shows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray
from peers import need, wait_until
from PIL import ImageGrab

Shot = NDArray[np.int16]  # grey of each pixel of the screen, (rows, columns)

ROWS, COLUMNS = 1000, 1280
#: Where films are drawn; beside it are buttons, and texts on what is shown.
VIEWER = (slice(65, 932), slice(5, 1015))
_OPEN_FILM, _OPEN_STATE = (28, 13), (101, 13)  # buttons, x and y
_ASIDE = (640, 990)  # where the mouse changes nothing
_NAME_FIELD = (0.6, 0.717)  # of the dialogue, in parts of its width and height
_LOOK_AGAIN = 0.2  # seconds
_SECONDS = 20.0
_DIALOGUE = "^(Open|Load)"
_CONFIGURATION = rf"""
[[GENERAL]]
[APPLICATION]
LogDirectory = .
[MONITOR]
Resolution = {COLUMNS}\{ROWS}
Screensize = 320\250
PreviewSize = 256\256
[DATABASE]
Directory = database
[GUI]
AutoUpdateStudyBrowser = false
"""


class DicomScope:
    """The viewer, which runs inside of a ``with``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._viewer = need("dicomscope", "dicomscope")
        self._xvfb = need("Xvfb", "xvfb")
        self._xdotool = need("xdotool", "xdotool")
        self._running: list[subprocess.Popen[bytes]] = []
        self._display = ""

    def __enter__(self) -> Self:
        (self._folder / "database").mkdir(parents=True)
        (self._folder / "scope.cfg").write_text(_CONFIGURATION, encoding="ascii")
        try:
            self._start_screen()
            self._start(self._viewer, "scope.cfg")
            wait_until(lambda: bool(self._windows("^DICOMscope 3")), "DICOMscope has a window")
            self._at_rest()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def show(self, film: Path) -> Shot:
        """The screen with a film as it is shown by itself."""
        return self._open(_OPEN_FILM, film)

    def apply(self, state: Path) -> Shot:
        """The screen with a presentation state over the film that it is of."""
        return self._open(_OPEN_STATE, state)

    def _open(self, button: tuple[int, int], path: Path) -> Shot:
        before = self._look()
        self._do("mousemove", *button, "click", 1)
        left, top, width, height = self._dialogue()
        across, down = _NAME_FIELD
        self._do("mousemove", left + int(across * width), top + int(down * height), "click", 1)
        self._do("type", "--delay", 1, path.resolve())
        self._do("key", "Return", "mousemove", *_ASIDE)
        wait_until(lambda: not self._windows(_DIALOGUE), "the dialogue is gone", _SECONDS)

        def drawn() -> bool:
            """Whether something is different where the dialogue was not."""
            differ = changed(before, self._look())
            differ[top : top + height, left : left + width] = False
            return bool(differ.any())

        wait_until(drawn, f"{path.name} is drawn", _SECONDS)
        return self._at_rest()

    def _dialogue(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the dialogue that asks for a file, once it is there."""
        wait_until(lambda: bool(self._windows(_DIALOGUE)), "the dialogue is there", _SECONDS)
        time.sleep(_LOOK_AGAIN)
        told = self._do("getwindowgeometry", "--shell", self._windows(_DIALOGUE)[0])
        where = dict(line.split("=") for line in told.splitlines())
        return int(where["X"]), int(where["Y"]), int(where["WIDTH"]), int(where["HEIGHT"])

    def _at_rest(self) -> Shot:
        """The screen once it does not change any more."""
        last, deadline = self._look(), time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN)
            now = self._look()
            if np.array_equal(now, last):
                return now
            last = now
        pytest.fail("the screen does not come to rest")

    def _look(self) -> Shot:
        return np.asarray(ImageGrab.grab(xdisplay=self._display).convert("L"), np.int16)

    def _windows(self, name: str) -> list[str]:
        return self._do("search", "--onlyvisible", "--name", name, check=False).split()

    def _do(self, *words: object, check: bool = True) -> str:
        """Mouse, keys and windows, by xdotool."""
        command = [self._xdotool, *map(str, words)]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=30, check=check
        )
        return done.stdout

    def _start_screen(self) -> None:
        """A screen under the first number that is free, which Xvfb tells."""
        read, write = os.pipe()
        options = ["-displayfd", str(write), "-screen", "0", f"{COLUMNS}x{ROWS}x24"]
        self._start(self._xvfb, *options, "-nolisten", "tcp", keep=write)
        os.close(write)
        with os.fdopen(read) as told:
            self._display = f":{told.readline().strip()}"
        assert self._display != ":", "Xvfb does not start"

    def _start(self, *command: str, keep: int | None = None) -> None:
        with (self._folder / "log.txt").open("ab") as log:
            self._running.append(
                subprocess.Popen(
                    command,
                    cwd=self._folder,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    pass_fds=() if keep is None else (keep,),
                    start_new_session=True,
                )
            )

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DISPLAY": self._display}


def changed(before: Shot, after: Shot) -> NDArray[np.bool_]:
    """Where films are drawn: the pixels that differ; elsewhere False."""
    differ = np.zeros(before.shape, np.bool_)
    differ[VIEWER] = before[VIEWER] != after[VIEWER]
    return differ


@dataclass(frozen=True, slots=True)
class Place:
    """Where a film is on the screen."""

    left: float
    top: float
    scale: float  # pixels of the screen a pixel of the film

    @classmethod
    def of(cls, shown: Shot, black: Shot, rows: int) -> Place:
        """From a film, and one as large that is black."""
        y, x = np.nonzero(changed(black, shown))
        return cls(x.min(), y.min(), (y.max() + 1 - y.min()) / rows)

    def area(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        """A rectangle of the film on the screen, in the same order."""
        x, y, scale = self.left, self.top, self.scale
        return x + left * scale, y + top * scale, x + right * scale, y + bottom * scale
