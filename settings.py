"""Settings: one table of what can be set, read from flags, the environment, a .env file and defaults, in that order.

The table drives the flags, the names of the environment variables, `--help` and the README's table. Everything is
checked before anything starts: `resolve` returns settings that hold, or every mistake at once, each as a sentence that
names where the value came from.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import iso4217
import msgspec
from dotenv.parser import parse_stream

from .engine.limits import IN_FLIGHT_MAX

PREFIX: Final = "WALLETD_"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
AUTHENTICATION: Final = ("off", "on")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force. Each member is explained in SETTINGS, which has the same names in the same order."""

    data: Path
    host: str
    port: int
    default_asset: str
    body_bytes_max: int
    header_timeout_s: int
    body_timeout_s: int
    in_flight_max: int
    rate_limit_per_s: int
    rate_burst: int
    authentication: str
    login_life_s: int
    cors_origins: tuple[str, ...]
    public_url: str
    receipts_eager: bool
    receipt_fonts: tuple[Path, ...]
    log_level: str
    log_requests: bool
    shutdown_timeout_s: int
    disk_reserve_mib: int
    unsafe_allow_unauthenticated_network: bool


class Setting(NamedTuple):
    """One row of the table. `parse` turns text into the value, or raises ValueError with what the value must be."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def is_switch(self) -> bool:
        return self.parse is _switch


class SettingsError(Exception):
    """The settings cannot be used; `mistakes` has a sentence for each reason."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__(" ".join(mistakes))


class Resolved(NamedTuple):
    """Settings that hold, and where each came from: a flag, a variable, a line of the .env file, or the default."""

    settings: Settings
    sources: dict[str, str]


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError("must be true or false")
    return text.lower() in ("true", "1", "yes", "on")


def _data(text: str) -> Path:
    if not text:
        raise ValueError("must name a folder")
    path = Path(text).expanduser()
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(f"must be a folder, and {place} is a file")
    return path


def _host(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        # A name of digits and dots alone is a mistyped address, never a host.
        if not re.fullmatch(rf"{label}(\.{label})*", text) or re.fullmatch(r"[0-9.]+", text):
            raise ValueError("must be an IP address or a host name") from None
    return text


def _asset(text: str) -> str:
    try:
        currency = iso4217.Currency(text)
    except ValueError:
        raise ValueError("must be an ISO 4217 currency code, such as USD") from None
    if currency.exponent is None or currency.code != text:
        raise ValueError("must be an ISO 4217 code, in capitals, of a currency that has a minor unit, such as USD")
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin):
            raise ValueError("must be a list, parted by commas, of origins such as https://example.com, or *")
    return origins


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    plain = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if text and (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or not re.fullmatch(r"[!-~]{1,200}", text)
        or plain != text
    ):
        raise ValueError("must be the beginning of a link, such as https://wallet.example.com")
    return text.rstrip("/")


def _fonts(text: str) -> tuple[Path, ...]:
    fonts = tuple(Path(part.strip()).expanduser().absolute() for part in text.split(",") if part.strip())
    for font in fonts:
        if font.suffix.lower() not in (".ttf", ".otf", ".ttc") or not font.is_file():
            raise ValueError(f"must be a list, parted by commas, of font files (.ttf, .otf, .ttc), and {font} is none")
    return fonts


def _level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.lower()


def _on_or_off(text: str) -> str:
    if text.lower() not in AUTHENTICATION:
        raise ValueError(f"must be one of {', '.join(AUTHENTICATION)}")
    return text.lower()


SETTINGS: Final = (
    Setting("data", "data", _data, "The data folder. It is made if it is missing."),
    Setting("host", "127.0.0.1", _host, "The address to listen on."),
    Setting("port", "8000", _whole(0, 65_535), "The port to listen on; 0 lets the system choose one."),
    Setting("default_asset", "USD", _asset, "The asset a new server starts with: an ISO 4217 code."),
    Setting("body_bytes_max", "8388608", _whole(1_024, 2**30), "The largest request body, in bytes."),
    Setting("header_timeout_s", "15", _whole(1, 3_600), "Seconds a client has to send its headers, or may stay idle."),
    Setting("body_timeout_s", "30", _whole(1, 3_600), "Seconds a client has to send its body."),
    Setting("in_flight_max", "8192", _whole(1, IN_FLIGHT_MAX), "Requests worked on at once; more are answered 503."),
    Setting("rate_limit_per_s", "0", _whole(0, 1_000_000), "Requests a second for each client address; 0 is no limit."),
    Setting("rate_burst", "100", _whole(1, 1_000_000), "Requests a client may send at once before the rate counts."),
    Setting("authentication", "off", _on_or_off, "Whether requests must bring an API key or a login: on or off."),
    Setting("login_life_s", "43200", _whole(60, 31_536_000), "Seconds a login lasts."),
    Setting("cors_origins", "", _origins, "Origins whose pages may call the server, parted by commas; * is any."),
    Setting("public_url", "", _public_url, "What links to this server begin with; without it they are relative."),
    Setting(
        "receipts_eager", "false", _switch, "Write receipts for transfers of every API, not of credit transfer alone."
    ),
    Setting(
        "receipt_fonts",
        "",
        _fonts,
        "Font files for letters that FiraGO lacks, parted by commas, in order of preference.",
    ),
    Setting("log_level", "info", _level, f"The least that is logged: {', '.join(LOG_LEVELS)}."),
    Setting("log_requests", "false", _switch, "Log a line for each request."),
    Setting("shutdown_timeout_s", "30", _whole(1, 3_600), "Seconds that requests in flight have to end at a stop."),
    Setting("disk_reserve_mib", "64", _whole(0, 2**20), "MiB kept free on the disk: below it, writes are refused."),
    Setting(
        "unsafe_allow_unauthenticated_network",
        "false",
        _switch,
        "Listen on other addresses than this machine's own without authentication: anyone who reaches the port may move money.",
    ),
)

assert tuple(setting.name for setting in SETTINGS) == Settings.__struct_fields__

_BY_VARIABLE: Final = {setting.variable: setting for setting in SETTINGS}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def resolve(
    flags: Mapping[str, str], environ: Mapping[str, str] = os.environ, env_file: Path | None = None
) -> Resolved:
    """The settings in force. `flags` maps names of settings to the text given; without `env_file`, ./.env is read if it is there.

    Raises SettingsError.
    """
    mistakes: list[str] = []
    given: dict[str, tuple[str, str]] = {setting.name: (setting.default, "default") for setting in SETTINGS}
    lines = _read_env_file(env_file, mistakes)
    variables = [(name, text, "environment") for name, text in sorted(environ.items()) if name.startswith(PREFIX)]
    for variable, text, source in [*lines, *variables]:
        setting = _BY_VARIABLE.get(variable)
        if setting is None:
            mistakes.append(_unknown(variable, source))
        else:
            given[setting.name] = (text, source)
    given |= {name: (text, "flag") for name, text in flags.items()}

    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text, source = given[setting.name]
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            mistakes.append(f"{_named(setting, source)}: {text!r} {error}.")
    is_open = values.get("authentication") == "off" and values.get(_UNSAFE.name) is False
    if "host" in values and not is_loopback(values["host"]) and is_open:
        mistakes.append(
            f"{_named(SETTINGS[1], given['host'][1])}: {values['host']!r} can be reached from other machines, and authentication is off: "
            f"anyone who reaches the port may move money. Turn it on with --authentication on, listen on 127.0.0.1, or accept that with {_UNSAFE.flag}."
        )
    if mistakes:
        raise SettingsError(mistakes)
    return Resolved(Settings(**values), {name: source for name, (_, source) in given.items()})


_UNSAFE: Final = SETTINGS[-1]


def _named(setting: Setting, source: str) -> str:
    if source == "flag":
        return setting.flag
    return f"{setting.variable} ({source})" if source != "environment" else f"{setting.variable} in the environment"


def _unknown(variable: str, source: str) -> str:
    names = [setting.name for setting in SETTINGS]
    close = difflib.get_close_matches(variable.removeprefix(PREFIX).lower(), names, n=1)
    place = "in the environment" if source == "environment" else f"({source})"
    hint = f" Did you mean {PREFIX}{close[0].upper()}?" if close else ""
    return f"{variable} {place} is not a setting of walletd.{hint}"


def _read_env_file(env_file: Path | None, mistakes: list[str]) -> list[tuple[str, str, str]]:
    """The file's WALLETD_ variables as (variable, text, source). Other variables in it are other programs' business."""
    path = env_file if env_file is not None else Path(".env")
    if env_file is None and not path.is_file():
        return []
    found: list[tuple[str, str, str]] = []
    try:
        with path.open(encoding="utf-8") as stream:
            for binding in parse_stream(stream):
                text = binding.original.string
                # Empty lines before a binding belong to it.
                blank = text[: len(text) - len(text.lstrip())].count("\n")
                source = f"{path} line {binding.original.line + blank}"
                if binding.error:
                    mistakes.append(f"{source} cannot be read: it must be of the form NAME=value.")
                elif binding.key is not None and binding.key.startswith(PREFIX):
                    found.append((binding.key, binding.value or "", source))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        mistakes.append(f"--env-file: {path} cannot be read: {reason}.")
    return found
