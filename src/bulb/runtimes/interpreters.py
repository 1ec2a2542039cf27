"""Which interpreter runs a runtime: the right version found on this machine, or a sentence saying how to get it.

Looking is lazy (one runtime when it is first asked for, or all of them for `bulb status`) and remembered in the data
folder by path, size and modification time, so a start of Bulb runs no interpreter at all. A nearby version is never
taken: only what the operator maps explicitly.
"""

import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bulb.runtimes.catalogue import RUNNABLE, Runtime, State
from bulb.runtimes.languages import LANGUAGES, Answer, Language

# A few hundredths of a second on an idle machine; on one with a hundred times too much to do some seconds.
_PROBE_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A verified interpreter. `prefix` is the directory that becomes /var/lang; `executable` lies inside it."""

    runtime: str
    executable: Path
    prefix: Path
    version: str


@dataclass(frozen=True, slots=True)
class Missing:
    """No interpreter. `reason` says what is missing, `how` what to do; each is one sentence."""

    runtime: str
    reason: str
    how: str

    def __str__(self) -> str:
        return f"{self.reason} {self.how}"


# An executable that is not what its name says, or could not be run.
_NOTHING = Answer("")


class Interpreters:
    """Finds interpreters. `overrides` maps identifiers (`nodejs22.x`) to executables of the operator's choice."""

    def __init__(
        self,
        data_dir: Path,
        *,
        overrides: Mapping[str, Path] | None = None,
        path: str = os.defpath,
        home: Path | None = None,
        pyenv_root: Path | None = None,
    ) -> None:
        """`path` is the PATH to search; `home` and `pyenv_root` are where version managers keep theirs."""
        self._overrides = dict(overrides or {})
        self._path = path
        self._home = home
        self._pyenv = pyenv_root or (home / ".pyenv" if home else None)
        self._memory = _Memory(data_dir / "interpreters.json")
        self._found: dict[str, Interpreter | Missing] = {}

    async def find(self, runtime: Runtime) -> Interpreter | Missing:
        """The interpreter for `runtime`. A found one is kept; a missing one is looked for again each time."""
        known = self._found.get(runtime.identifier)
        if not isinstance(known, Interpreter):
            known = self._found[runtime.identifier] = await asyncio.to_thread(self._look, runtime)
        return known

    async def all(self) -> list[Interpreter | Missing]:
        """Every runtime Bulb can run, in the catalogue's order."""
        return list(await asyncio.gather(*(self.find(runtime) for runtime in RUNNABLE)))

    def _look(self, runtime: Runtime) -> Interpreter | Missing:
        if runtime.state is not State.RUN:
            return Missing(
                runtime.identifier,
                f"Bulb does not run {runtime.identifier} yet.",
                "Package the function for provided.al2023 with a bootstrap of its own, or use another runtime.",
            )
        override = self._overrides.get(runtime.identifier)
        if override is not None:
            return self._take_override(runtime, override)
        for candidate in _unique(self._candidates(runtime)):
            probed = self._memory.probe(candidate, runtime.family)
            if _matches(runtime, probed.version):
                return _interpreter(runtime, probed)
        return _missing(runtime)

    def _take_override(self, runtime: Runtime, executable: Path) -> Interpreter | Missing:
        """Any version will do here: the operator says so."""
        probed = self._memory.probe(executable, runtime.family)
        if probed.version:
            return _interpreter(runtime, probed)
        return Missing(
            runtime.identifier,
            f"{executable}, configured for {runtime.identifier}, is not a {runtime.family} interpreter Bulb can run.",
            "Correct the path or remove the setting.",
        )

    def _candidates(self, runtime: Runtime) -> Iterator[Path]:
        """Version managers first: their prefix holds one language and nothing else, so it makes the better /var/lang.

        Shims come last: each is a script that may start anything.
        """
        language = LANGUAGES[runtime.family]
        name = language.executable.format(v=runtime.version)
        places = [Path(part) / name for part in (*self._path.split(os.pathsep), "/usr/local/bin", "/usr/bin") if part]
        shims = [place for place in places if "shims" in place.parts]
        yield from self._managed(language, runtime.version, name)
        yield from (place for place in places if place not in shims)
        yield from shims

    def _managed(self, language: Language, version: str, name: str) -> Iterator[Path]:
        """What version managers and distributions installed beside each other."""
        if language.pyenv and self._pyenv is not None:
            yield from _newest(self._pyenv / "versions", f"{version}*/bin/{name}")
        if self._home is not None:
            for pattern in language.managed:
                yield from _newest(self._home, pattern.format(v=version))
        for pattern in language.system:
            yield from _newest(Path("/"), pattern.format(v=version))


class _Memory:
    """What executables said about themselves, kept in one small file between starts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries: dict[str, dict[str, str]] | None = None

    def probe(self, executable: Path, family: str) -> Answer:
        """What `executable` is; runs it only when it was never seen like this, or did not come to say so."""
        try:
            found = executable.stat()
            if not os.access(executable, os.X_OK):
                return _NOTHING
        except OSError:
            return _NOTHING
        key = f"{executable}:{found.st_size}:{found.st_mtime_ns}"
        entries = self._load()
        if key not in entries:
            answer = _run_probe(executable, family)
            if answer is None:
                return _NOTHING
            entries[key] = asdict(answer)
            self._save(entries)
        return Answer(**entries[key])

    def _load(self) -> dict[str, dict[str, str]]:
        if self._entries is None:
            try:
                loaded = json.loads(self._file.read_bytes())
                self._entries = loaded if isinstance(loaded, dict) else {}
            except (OSError, ValueError):
                self._entries = {}
        return self._entries

    def _save(self, entries: dict[str, dict[str, str]]) -> None:
        """Losing this file costs one look at each interpreter, so failing to write it is no error."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False) as draft:
                json.dump(dict(entries), draft, indent=1)
            Path(draft.name).replace(self._file)
        except OSError:
            return


def _run_probe(executable: Path, family: str) -> Answer | None:
    """What it says of itself. None where it could not: no time, no memory, killed; that says nothing about it."""
    language = LANGUAGES[family]
    try:
        answer = subprocess.run(  # noqa: S603 - an interpreter of the operator's own machine
            (str(executable), *language.probe),
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            env={"PATH": os.defpath},
            check=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    except subprocess.CalledProcessError as error:
        return _NOTHING if error.returncode > 0 else None
    except ValueError:
        return _NOTHING
    said = language.read(answer.stdout or answer.stderr)
    if said is None:
        return _NOTHING
    real = Path(said.executable)
    return Answer(said.version, said.prefix or str(_prefix_of(real)), said.executable)


def _prefix_of(executable: Path) -> Path:
    return executable.parent.parent if executable.parent.name == "bin" else executable.parent


def _interpreter(runtime: Runtime, probed: Answer) -> Interpreter:
    executable, prefix = Path(probed.executable), Path(probed.prefix)
    return Interpreter(runtime.identifier, executable, prefix, probed.version)


def _matches(runtime: Runtime, version: str) -> bool:
    return f"{version}.".startswith(f"{runtime.version}.")


def _newest(folder: Path, pattern: str) -> list[Path]:
    """Matches of `pattern`, newest version first; nothing where the folder cannot be read."""
    try:
        return sorted(folder.glob(pattern), key=_version_key, reverse=True)
    except OSError:
        return []


def _version_key(path: Path) -> list[int]:
    text = "".join(character if character.isdigit() else " " for character in str(path))
    return [int(part) for part in text.split()]


def _unique(paths: Iterator[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path not in seen:
            seen.add(path)
            yield path


def _missing(runtime: Runtime) -> Missing:
    language = LANGUAGES[runtime.family]
    return Missing(
        runtime.identifier,
        f"{language.title}{runtime.version} is not on this machine.",
        language.install.format(v=runtime.version),
    )
