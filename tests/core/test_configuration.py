"""Settings: files, then environment; every mistake at once; secrets never print."""

from pathlib import Path

import attrs
import pytest

from core import configuration
from core.settings import BadSettings, Secret, Settings

GOOD = "x" * 40


@attrs.frozen(kw_only=True)
class ShopSettings:
    """A plugin's own section."""

    fee_paise: int = 4_000
    areas: list[str] = attrs.field(factory=list)
    open: bool = True
    pepper: Secret


def build(tmp_path: Path, **env: str) -> Settings:
    (tmp_path / "config").mkdir(exist_ok=True)
    for name, text in (("base", 'plugins = ["shop"]\n[shop]\nfee_paise = 5000\n'), ("test", "[shop]\nopen = false\n"),
                       ("production", "")):  # fmt: skip
        (tmp_path / "config" / f"{name}.toml").write_text(text)
    given = {
        "VURKSHA_ENV": "test",
        "VURKSHA_CONFIG_DIR": str(tmp_path / "config"),
        "DATA_DIR": str(tmp_path / "data"),
        **env,
    }
    return configuration.build(configuration.read(given), {"shop": ShopSettings})


def shop(settings: Settings) -> ShopSettings:
    section = settings.sections["shop"]
    assert isinstance(section, ShopSettings)
    return section


def test_later_sources_win(tmp_path: Path) -> None:
    assert shop(build(tmp_path)).fee_paise == 5_000
    assert shop(build(tmp_path)).open is False
    changed = build(
        tmp_path, VURKSHA_SHOP__FEE_PAISE="6000", VURKSHA_SHOP__OPEN="true", VURKSHA_SHOP__AREAS="north, south"
    )
    assert (shop(changed).fee_paise, shop(changed).open, shop(changed).areas) == (6_000, True, ["north", "south"])


def test_of_each_setting_it_is_known_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text(GOOD)
    origins = build(tmp_path, VURKSHA_SHOP__PEPPER_FILE=str(tmp_path / "pepper"), PORT="9").origins
    assert origins == {
        "environment": "VURKSHA_ENV",
        "plugins": "config/*.toml",
        "shop.fee_paise": "base.toml",
        "shop.open": "test.toml",
        "shop.pepper": "VURKSHA_SHOP__PEPPER_FILE",
        "http.port": "PORT",
    }


def test_the_environment_may_name_other_plugins(tmp_path: Path) -> None:
    assert build(tmp_path).plugins == ("shop",)
    assert build(tmp_path, VURKSHA_PLUGINS=" shop, notes ,").plugins == ("shop", "notes")
    assert build(tmp_path, VURKSHA_PLUGINS="").plugins == ("shop",)


def test_the_names_that_the_user_gave_stay(tmp_path: Path) -> None:
    settings = build(
        tmp_path, PORT="9000", LOG_LEVEL="DEBUG", DATABASE_URL="postgresql:///a", REDIS_URL="redis://b", JWT_SECRET=GOOD
    )
    assert (settings.http.port, settings.log.level) == (9000, "DEBUG")
    assert settings.postgres.url is not None
    assert settings.postgres.url.reveal() == "postgresql:///a"
    assert settings.auth.secret.reveal() == GOOD


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        build(tmp_path, PORT="many", VURKSHA_SHOP__FEE="1", VURKSHA_NOWHERE__X="1", VURKSHA_SHOP__FEE_PAISE="1.5")
    told = str(caught.value)
    assert len(caught.value.mistakes) == 4
    for part in (
        "http.port must be a whole number",
        "shop.fee is no setting",
        "[nowhere] is no section",
        "shop.fee_paise",
    ):
        assert part in told


def test_a_proxy_that_is_no_network_is_named(tmp_path: Path) -> None:
    assert [str(one) for one in build(tmp_path, VURKSHA_HTTP__TRUSTED_PROXIES="10.0.0.0/8,::1").http.proxies] == [
        "10.0.0.0/8",
        "::1/128",
    ]
    with pytest.raises(BadSettings, match=r"http\.trusted_proxies: 'gateway' does not appear to be"):
        _ = build(tmp_path, VURKSHA_HTTP__TRUSTED_PROXIES="gateway").http.proxies


def test_an_unknown_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="staging"):
        build(tmp_path, VURKSHA_ENV="staging")


def test_production_refuses_missing_and_short_secrets(tmp_path: Path) -> None:
    urls = {"DATABASE_URL": "postgresql:///a", "REDIS_URL": "redis://b"}
    secrets = {"JWT_SECRET": GOOD, "OPERATIONS_TOKEN": GOOD, "VURKSHA_SHOP__PEPPER": GOOD}
    with pytest.raises(BadSettings) as caught:
        build(tmp_path, VURKSHA_ENV="production", JWT_SECRET="short", **urls)
    assert [m for m in caught.value.mistakes if "auth.secret needs at least 32" in m]
    assert [m for m in caught.value.mistakes if "VURKSHA_SHOP__PEPPER" in m]
    with pytest.raises(BadSettings, match="DATABASE_URL"):
        build(tmp_path, VURKSHA_ENV="production", **secrets)
    good = build(tmp_path, VURKSHA_ENV="production", **secrets, **urls)
    assert good.development is False


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text(GOOD + "\n")
    assert build(tmp_path, JWT_SECRET_FILE=str(tmp_path / "jwt")).auth.secret.reveal() == GOOD
    with pytest.raises(BadSettings, match="cannot read"):
        build(tmp_path, VURKSHA_SHOP__PEPPER_FILE=str(tmp_path / "nothing"))


def test_a_ring_of_secrets_is_a_list(tmp_path: Path) -> None:
    ring = build(tmp_path, VURKSHA_AUTH__ALSO_ACCEPTED=f"{GOOD}a,{GOOD}b").auth.also_accepted
    assert [secret.reveal() for secret in ring] == [GOOD + "a", GOOD + "b"]


def test_development_makes_its_own_secrets_and_keeps_them(tmp_path: Path) -> None:
    first, second = build(tmp_path), build(tmp_path)
    assert first.auth.secret.reveal() == second.auth.secret.reveal() != shop(first).pepper.reveal()
    assert (tmp_path / "data" / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_secrets_never_print(tmp_path: Path) -> None:
    settings = build(tmp_path, JWT_SECRET=GOOD, DATABASE_URL="postgresql://u:hidden@h/d")
    assert GOOD not in repr(settings)
    assert "hidden" not in repr(settings) + str(settings.postgres.url)


@pytest.mark.parametrize(
    ("env", "root", "place"),
    [
        ({"DATA_DIR": "/x/y"}, False, "/x/y"),
        ({}, True, "/var/lib/vurksha"),
        ({"XDG_DATA_HOME": "/x"}, False, "/x/vurksha"),
        ({"HOME": "/home/a"}, False, "/home/a/.local/share/vurksha"),
    ],
)
def test_the_data_folder(env: dict[str, str], root: bool, place: str) -> None:
    assert configuration.default_data_dir(env, root=root) == Path(place)
