"""What an operator can choose: one frozen value, and the only place that reads environment variables.

A choice on the command line wins over the environment variable of the same name (`--port` over `BULB_PORT`), which
wins over the default. An unknown `BULB_*` variable is refused rather than ignored: a misspelt setting must not be
silently off.
"""

import ipaddress
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from bulb.core.errors import BulbError
from bulb.core.limits import ACCOUNT_CONCURRENCY

Egress = Literal["nat", "none"]
Isolation = Literal["best", "full", "userns", "plain"]
Credentials = Literal["auto", "any", "required"]
UrlPermissions = Literal["both", "one"]
Policies = Literal["stored", "enforced"]

_SWITCH = {"1": True, "true": True, "0": False, "false": False}
_NOT_SETTINGS = {"interpreters", "surroundings"}
_INTERPRETER = "BULB_INTERPRETER_"
_WORDS: dict[str, tuple[str, ...]] = {
    "egress": ("nat", "none"),
    "isolation": ("best", "full", "userns", "plain"),
    "credentials": ("auto", "any", "required"),
    "policies": ("stored", "enforced"),
    "url_permissions": ("both", "one"),
}
_MOST = {"port": 65_535}


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine and only this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_of(host: str, port: int) -> str:
    """Where this machine reaches a server that listens there: one of every address is called by loopback's."""
    called = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{called}]' if ':' in called else called}:{port}"


def default_data() -> Path:
    """`$XDG_DATA_HOME/bulb`, or `~/.local/share/bulb`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "bulb"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where interpreters are looked for: the search path, the user's home, and pyenv's folder where it is elsewhere."""

    path: str = os.defpath
    home: Path | None = None
    pyenv: Path | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, with its default. Durations are seconds.

    `database` is a SQLAlchemy URL; None means SQLite inside `data`. `isolation` other than `best` insists on that rung.
    `credentials` `any` takes every signature unlooked at, `required` only those of keys that were issued here, and
    `auto` is `any` on loopback and `required` wherever somebody else could reach the server.
    `policies` `enforced` holds every call against the policies of its caller and of what it is about; `stored` keeps
    them and lets everybody do everything in their account. Only who has proved who they are has policies.
    `url_domain` is a domain whose names `*.lambda-url.<region>.<domain>` lead here through a proxy that speaks TLS;
    function URLs are answered with it. `url_permissions` `one` asks callers of function URLs for
    `lambda:InvokeFunctionUrl` alone, `both` for `lambda:InvokeFunction` too.
    `account_concurrency` is how many invocations an account may have at once in one region; `request_rate` how many may
    begin in a second for each of these, `scaling_rate` how many environments of one function may be started in ten
    seconds; with 0 there is no such limit.
    `stream_bandwidth` is how many MB a second a streamed response may have after its first 6 MB; with 0 any.
    `journal_days` is how long the journal remembers an event after it ended; with 0 there is no journal.
    `interpreters` maps a runtime (`python3.12`) to the executable that runs it, whatever its version.
    """

    host: str = "127.0.0.1"
    port: int = 4566
    data: Path = field(default_factory=default_data)
    database: str | None = None
    egress: Egress = "nat"
    isolation: Isolation = "best"
    credentials: Credentials = "auto"
    policies: Policies = "stored"
    region: str = "us-east-1"
    url_domain: str | None = None
    url_permissions: UrlPermissions = "both"
    stock: int = 2
    idle: float = 600.0
    freeze_after: float = 0.1
    capacity: int = 0
    account_concurrency: int = ACCOUNT_CONCURRENCY
    request_rate: float = 10.0
    scaling_rate: float = 1000.0
    stream_bandwidth: float = 2.0
    journal_days: float = 7.0
    access_log: bool = False
    interpreters: Mapping[str, str] = field(default_factory=dict)
    surroundings: Surroundings = Surroundings()

    @property
    def on_loopback(self) -> bool:
        """Nobody outside this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def enforce_credentials(self) -> bool:
        """Are keys and signatures verified?"""
        return self.credentials == "required" or (self.credentials == "auto" and not self.on_loopback)


def load(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Config:
    """The configuration. `flags` are the choices of the command line; None means not chosen.

    Raises BulbError naming the setting that cannot be used and what it takes.
    """
    environ = os.environ if environ is None else environ
    known = {f.name: f for f in fields(Config)}
    chosen: dict[str, Any] = {}
    interpreters: dict[str, str] = {}
    for variable, text in environ.items():
        if not variable.startswith("BULB_"):
            continue
        if variable.startswith(_INTERPRETER):
            # BULB_INTERPRETER_PYTHON3_12 names python3.12, BULB_INTERPRETER_NODEJS22_X names nodejs22.x.
            interpreters[variable.removeprefix(_INTERPRETER).lower().replace("_", ".")] = text
            continue
        name = variable.removeprefix("BULB_").lower()
        if name not in known or name in _NOT_SETTINGS:
            raise BulbError(f"{variable} is not a setting of Bulb; `bulb up --help` lists them")
        chosen[name] = _value(name, text, variable)
    for name, value in flags.items():
        if value is not None:
            chosen[name] = _value(name, value, "--" + name.replace("_", "-"))
    return _consistent(replace(Config(interpreters=interpreters, surroundings=_surroundings(environ)), **chosen))


def chosen_url(environ: Mapping[str, str] | None = None) -> str:
    """Where the server is that `bulb up` starts with these variables. Raises BulbError when they do not say."""
    environ = os.environ if environ is None else environ
    usual = Config()
    port = _value("port", environ.get("BULB_PORT", usual.port), "BULB_PORT")
    if port == 0:
        raise BulbError("BULB_PORT is 0, a free port: say with --endpoint which one the server has taken")
    return url_of(environ.get("BULB_HOST", usual.host), port)


def chosen_region(environ: Mapping[str, str] | None = None) -> str:
    """The region of requests without a signature to that server: who chooses no other means this one too."""
    return (os.environ if environ is None else environ).get("BULB_REGION", Config().region)


def _consistent(config: Config) -> Config:
    if config.policies == "enforced" and not config.enforce_credentials:
        raise BulbError(
            "--policies enforced needs --credentials required: whoever may say they are anybody would have anybody's "
            "permissions"
        )
    return config


def _surroundings(environ: Mapping[str, str]) -> Surroundings:
    home, pyenv = environ.get("HOME"), environ.get("PYENV_ROOT")
    return Surroundings(environ.get("PATH", os.defpath), Path(home) if home else None, Path(pyenv) if pyenv else None)


def _value(name: str, given: Any, source: str) -> Any:
    default = getattr(Config(), name)
    if name in _WORDS and given not in _WORDS[name]:
        raise BulbError(f"{source} cannot be {given!r}: it takes {' or '.join(_WORDS[name])}")
    if isinstance(default, Path):
        return Path(given).expanduser().absolute()
    try:
        if isinstance(default, bool):
            return given if isinstance(given, bool) else _SWITCH[given.lower()]
        if isinstance(default, int | float):
            return _within(type(default)(given), _MOST.get(name, math.inf))
    except (ValueError, KeyError):
        raise BulbError(f"{source} cannot be {given!r}: it takes a value like {default}") from None
    return given


def _within(number: float, most: float) -> float:
    if not 0 <= number <= most:
        raise ValueError
    return number
