"""Settings come from flags, the environment, .env and defaults, in that order; each mistake is told in a sentence."""

from pathlib import Path

import pytest

from walletd.settings import SETTINGS, SettingsError, is_loopback, resolve

from .conftest import Run


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mistakes(
    flags: dict[str, str] | None = None, environ: dict[str, str] | None = None, env_file: Path | None = None
) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        resolve(flags or {}, environ or {}, env_file)
    return caught.value.mistakes


def test_defaults_hold_and_say_so() -> None:
    settings, sources = resolve({}, {})
    assert (settings.host, settings.port, settings.default_asset) == ("127.0.0.1", 8000, "USD")
    assert settings.cors_origins == ()
    assert set(sources.values()) == {"default"}


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# mine\nWALLETD_PORT=1001\nWALLETD_RATE_BURST=7\nexport WALLETD_BODY_TIMEOUT_S='9'\nPATH=x\n"
    )
    settings, sources = resolve({"port": "1003"}, {"WALLETD_PORT": "1002", "WALLETD_RATE_BURST": "8"})
    assert (settings.port, sources["port"]) == (1003, "flag")
    assert (settings.rate_burst, sources["rate_burst"]) == (8, "environment")
    assert (settings.body_timeout_s, sources["body_timeout_s"]) == (9, ".env line 4")
    assert (settings.in_flight_max, sources["in_flight_max"]) == (8192, "default")


def test_a_named_env_file_is_read_in_place_of_the_one_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WALLETD_PORT=1\n")
    (tmp_path / "other").write_text("WALLETD_HOST=::1\n")
    settings, sources = resolve({}, {}, tmp_path / "other")
    assert (settings.port, settings.host) == (8000, "::1")
    assert sources["host"] == f"{tmp_path / 'other'} line 1"


def test_a_named_env_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(env_file=tmp_path / "none") == [
        f"--env-file: {tmp_path / 'none'} cannot be read: No such file or directory."
    ]


def test_an_env_file_that_is_not_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert mistakes(env_file=tmp_path / "binary") == [
        f"--env-file: {tmp_path / 'binary'} cannot be read: it is not UTF-8 text."
    ]


def test_a_line_of_the_env_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WALLETD_PORT=1\nwhat is this?\n")
    assert mistakes() == [".env line 2 cannot be read: it must be of the form NAME=value."]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("port", "65536", "--port: '65536' must be a whole number from 0 to 65535."),
        ("port", "80 80", "--port: '80 80' must be a whole number from 0 to 65535."),
        ("port", "٨٠", "--port: '٨٠' must be a whole number from 0 to 65535."),
        ("rate_burst", "0", "--rate-burst: '0' must be a whole number from 1 to 1000000."),
        ("rate_limit_per_s", "-1", "--rate-limit-per-s: '-1' must be a whole number from 0 to 1000000."),
        ("in_flight_max", "1e3", "--in-flight-max: '1e3' must be a whole number from 1 to 16384."),
        ("host", "127.0.0.256", "--host: '127.0.0.256' must be an IP address or a host name."),
        ("host", "a b", "--host: 'a b' must be an IP address or a host name."),
        ("host", "", "--host: '' must be an IP address or a host name."),
        ("default_asset", "usd", "--default-asset: 'usd' must be an ISO 4217"),
        ("default_asset", "GOLD", "--default-asset: 'GOLD' must be an ISO 4217 currency code, such as USD."),
        (
            "default_asset",
            "XAU",
            "must be an ISO 4217 code, in capitals, of a currency that has a minor unit, such as USD.",
        ),
        (
            "cors_origins",
            "example.com",
            "must be a list, parted by commas, of origins such as https://example.com, or *.",
        ),
        ("cors_origins", "https://a.example/path", "must be a list, parted by commas, of origins"),
        ("log_level", "loud", "--log-level: 'loud' must be one of debug, info, warning, error."),
        ("log_requests", "maybe", "--log-requests: 'maybe' must be true or false."),
        ("data", "", "--data: '' must name a folder."),
    ],
)
def test_a_value_that_cannot_be_is_told_with_what_it_must_be(name: str, text: str, sentence: str) -> None:
    (told,) = mistakes({name: text})
    assert sentence in told


def test_the_source_of_a_mistake_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("\nWALLETD_PORT=no\n")
    assert mistakes() == ["WALLETD_PORT (.env line 2): 'no' must be a whole number from 0 to 65535."]
    assert mistakes(environ={"WALLETD_PORT": "no"}) == [
        "WALLETD_PORT in the environment: 'no' must be a whole number from 0 to 65535."
    ]


def test_a_data_folder_that_is_a_file_or_below_one_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for text in (tmp_path / "file", tmp_path / "file" / "below"):
        assert mistakes({"data": str(text)}) == [
            f"--data: {str(text)!r} must be a folder, and {tmp_path / 'file'} is a file."
        ]


def test_an_unknown_variable_is_a_mistake_with_a_guess(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WALLETD_HOSTS=::1\n")
    assert mistakes(environ={"WALLETD_POTR": "1", "WALLETD_XYZZY_PLUGH": "2", "OTHER": "3"}) == [
        "WALLETD_HOSTS (.env line 1) is not a setting of walletd. Did you mean WALLETD_HOST?",
        "WALLETD_POTR in the environment is not a setting of walletd. Did you mean WALLETD_PORT?",
        "WALLETD_XYZZY_PLUGH in the environment is not a setting of walletd.",
    ]


def test_every_mistake_is_told_at_once() -> None:
    assert len(mistakes({"port": "x", "log_level": "y", "host": "0.0.0.0"}, {"WALLETD_Z": "1"})) == 4


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com"])
def test_other_machines_are_kept_out_unless_that_is_accepted(host: str) -> None:
    (told,) = mistakes({"host": host})
    assert told.startswith(f"--host: '{host}' can be reached from other machines")
    assert "--unsafe-allow-unauthenticated-network" in told
    settings, _ = resolve({"host": host, "unsafe_allow_unauthenticated_network": "true"}, {})
    assert settings.host == host
    settings, _ = resolve({"host": host}, {"WALLETD_UNSAFE_ALLOW_UNAUTHENTICATED_NETWORK": "on"})
    assert settings.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_is_always_let_in(host: str) -> None:
    assert is_loopback(host)
    assert resolve({"host": host}, {}).settings.host == host


def test_the_commands_show_what_is_in_force_and_from_where(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WALLETD_RATE_BURST=7\n")
    shown = run("settings", "--port", "0", "--log-requests", WALLETD_CORS_ORIGINS="https://a.example,https://b.example")
    assert shown.returncode == 0, shown.stderr
    rows = {row.split()[0]: row.split(maxsplit=1)[1] for row in shown.stdout.splitlines()[1:]}
    assert list(rows) == [setting.name for setting in SETTINGS]
    assert rows["port"].split() == ["0", "flag"]
    assert rows["log_requests"].split() == ["true", "flag"]
    assert rows["rate_burst"].split(maxsplit=1)[1].strip() == ".env line 1"
    assert rows["cors_origins"].split() == ["https://a.example,", "https://b.example", "environment"]


def test_wrong_settings_end_with_2_and_nothing_on_stdout(run: Run) -> None:
    refused = run("serve", "--port", "x", "--host", "0.0.0.0", WALLETD_POTR="1")
    assert (refused.returncode, refused.stdout) == (2, "")
    lines = refused.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("walletd: ") for line in lines)


def test_env_example_names_every_setting_with_its_default() -> None:
    lines = (Path(__file__).parents[2] / ".env.example").read_text().splitlines()
    assert [line for line in lines if line.startswith("# WALLETD_")] == [
        f"# {setting.variable}={setting.default}" for setting in SETTINGS
    ]
