"""The copy of the project in which mutmut works, and what it says there."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

COPIED = ("core", "plugins", "tests", "config", ".pytest.ini")
CAUGHT = frozenset({"killed", "timeout", "segfault"})
SPINNER = re.compile(r"^[\u2800-\u28ff] .*\n", re.MULTILINE)
RESULT = re.compile(r"^ +(?P<key>\S+): (?P<status>[a-z ]+)$", re.MULTILINE)
SETTINGS = """\
[mutmut]
source_paths =
    core
    plugins
only_mutate =
    {files}
also_copy =
    tests
    config
    .pytest.ini
pytest_add_cli_args =
    --noconftest
    -mnot asyncio
    -pno:cacheprovider
    -pmutation.hasty
    --tb=short
pytest_add_cli_args_test_selection =
    {tests}
"""
"""Tests that need no loop need no server either, and none of the fixtures that start one."""
INDENT = "\n    "


class Broken(Exception):
    """mutmut could not do its work; what it printed says why."""


@attrs.frozen(kw_only=True)
class Mutant:
    """One change to one function. `was` and `became` are the lines of the change, without their indentation."""

    file: str
    function: str
    was: str
    became: str
    caught: bool


@attrs.frozen
class Workshop:
    """A folder with the copy in it."""

    folder: Path

    def prepare(self, root: Path, files: Sequence[str], tests: Sequence[str]) -> None:
        """Copy the project and tell mutmut what to do."""
        for name in COPIED:
            source, target = root / name, self.folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        for file in files:
            path = self.folder / file
            path.write_text(plain_properties(path.read_text("utf-8")), "utf-8")
        text = SETTINGS.format(files=INDENT.join(files), tests=INDENT.join(tests))
        (self.folder / "setup.cfg").write_text(text, "utf-8")

    def run(self, processes: int) -> list[Mutant]:
        """Try every mutant; raises Broken when the tests fail without any."""
        said = self._mutmut("run", "--max-children", str(processes))
        results = [(found["key"], found["status"]) for found in RESULT.finditer(self._mutmut("results", "--all", "1"))]
        if not results or any(status == "not checked" for _, status in results):
            raise Broken(said)
        with ThreadPoolExecutor(processes) as pool:
            return list(pool.map(lambda result: self._mutant(*result), results))

    def _mutant(self, key: str, status: str) -> Mutant:
        module, _, mangled = key.rpartition(".")
        function = mangled.partition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        caught = status in CAUGHT
        was, became = ("", "") if caught else changed(self._mutmut("show", key))
        file = module.replace(".", "/") + ".py"
        return Mutant(file=file, function=function, was=was, became=became, caught=caught)

    def _mutmut(self, *words: str) -> str:
        done = subprocess.run(  # noqa: S603  our own tool
            ["mutmut", *words],  # noqa: S607  ops/mutate put it on the PATH
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said = SPINNER.sub("", done.stdout)
        if done.returncode:
            raise Broken(said)
        return said


def plain_properties(source: str) -> str:
    """The same module with `name = property(name)` after a method instead of a decorator, which mutmut passes over."""
    lines = source.splitlines()
    for method, decorator in sorted(_properties(ast.parse(source)), key=lambda found: -found[1].lineno):
        lines.insert(method.end_lineno or 0, f"{' ' * method.col_offset}{method.name} = property({method.name})")
        del lines[decorator.lineno - 1]
    return "\n".join(lines) + "\n"


def _properties(module: ast.Module) -> Iterator[tuple[ast.FunctionDef, ast.expr]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef):
            yield from ((node, found) for found in node.decorator_list if ast.unparse(found) == "property")


def changed(diff: str) -> tuple[str, str]:
    """What a diff takes away and what it puts there."""
    body = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    was, became = ([line[1:].strip() for line in body if line[0] == sign] for sign in "-+")
    return " ".join(was), " ".join(became)
