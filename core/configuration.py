"""Reading settings: `config/base.toml`, then `config/<environment>.toml`, then the environment.

Every mistake is reported at once. A secret comes from the environment or a `*_FILE`, never from a TOML file. The
environment is read here and nowhere else.
"""

import json
import secrets
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

import attrs

from core.convert import Wire, camel
from core.errors import Invalid
from core.settings import KERNEL_SECTIONS, BadSettings, Secret, Settings

MIN_SECRET = 32
"""Characters that a secret of our own making needs at least (RELIABILITY 4.13)."""
ENVIRONMENTS = ("development", "test", "production")
GIVEN_NAMES = {
    "DATABASE_URL": ("postgres", "url"),
    "REDIS_URL": ("redis", "url"),
    "RABBITMQ_URL": ("rabbitmq", "url"),
    "JWT_SECRET": ("auth", "secret"),
    "PORT": ("http", "port"),
    "LOG_LEVEL": ("log", "level"),
    "OPERATIONS_TOKEN": ("operations", "token"),
}
"""Environment names that stand alone (DESIGN 4); all others are VURKSHA_<SECTION>__<KEY>."""
PLUGINS = "VURKSHA_PLUGINS"
"""Names of the plugins to load, with commas between them, instead of those in the files."""
LISTS = ("plugins", "more_plugins", "required_plugins")
"""Keys of the files that stand above all sections. `more_plugins` lets an environment's file add to `plugins`."""
ALL = "*"
"""Among the plugins: every one that is installed. Not in production, where nothing is loaded that nobody named."""
NEEDED = ("DATABASE_URL", "REDIS_URL")
"""What production must be given. Without RABBITMQ_URL events go from outbox to inbox straight away."""

_converter = Wire(is_text=True)
_converter.accept(Secret)


@attrs.frozen
class Source:
    """What was written in files and environment, before it is checked."""

    environment: str
    data_dir: Path
    plugins: tuple[str, ...]
    sections: dict[str, dict[str, Any]]
    required: tuple[str, ...] = ()
    """Plugins without which nothing starts, also when they cannot even be imported and so say nothing themselves."""
    origins: Mapping[str, str] = attrs.field(factory=dict)
    """As in Settings."""

    def given(self, section: str, key: str) -> bool:
        """Whether somebody set it, directly or by a file."""
        return not {key, f"{key}_file"}.isdisjoint(self.sections.get(section, {}))


def config_dir(env: Mapping[str, str]) -> Path:
    """`config/` beside the kernel, or what VURKSHA_CONFIG_DIR names."""
    return Path(env.get("VURKSHA_CONFIG_DIR") or Path(__file__).resolve().parent.parent / "config")


def default_data_dir(env: Mapping[str, str], *, root: bool) -> Path:
    """Where the embedded servers and the development journal live."""
    if env.get("DATA_DIR"):
        return Path(env["DATA_DIR"]).absolute()
    if root:
        return Path("/var/lib/vurksha")
    return Path(env.get("XDG_DATA_HOME") or Path(env.get("HOME", "/tmp")) / ".local/share") / "vurksha"  # noqa: S108  nobody without a HOME keeps data


def read(env: Mapping[str, str], *, root: bool = False) -> Source:
    """Files, then environment. Raises BadSettings when a file cannot be read or a name is unknown."""
    environment = env.get("VURKSHA_ENV", "development")
    if environment not in ENVIRONMENTS:
        raise BadSettings([f"VURKSHA_ENV is {environment!r}, not one of {', '.join(ENVIRONMENTS)}"])
    sections: dict[str, dict[str, Any]] = {}
    origins = {"environment": "VURKSHA_ENV"} if "VURKSHA_ENV" in env else {}
    lists: dict[str, list[str]] = {key: [] for key in LISTS}
    for name in ("base", environment):
        content = _toml(config_dir(env) / f"{name}.toml")
        lists |= {key: content.pop(key) for key in LISTS if key in content}
        for section, values in content.items():
            sections.setdefault(section, {}).update(values)
            origins |= dict.fromkeys((f"{section}.{key.removesuffix('_file')}" for key in values), f"{name}.toml")
    origins["plugins"] = PLUGINS if env.get(PLUGINS) else "config/*.toml"
    plugins = _listed(env.get(PLUGINS, "")) or [*lists["plugins"], *lists["more_plugins"]]
    if environment == "production" and ALL in plugins:
        raise BadSettings([f"plugins: {ALL!r} loads whatever is installed; in production name each"])
    for name, value in sorted(env.items()):
        place = _place(name)
        if place:
            sections.setdefault(place[0], {})[place[1]] = value
            origins[f"{place[0]}.{place[1].removesuffix('_file')}"] = name
    folder = default_data_dir(env, root=root)
    return Source(environment, folder, tuple(plugins), sections, tuple(lists["required_plugins"]), origins)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # what is no TOML or no UTF-8 is a ValueError
        raise BadSettings([f"{path} cannot be read: {error}"]) from error


def _place(name: str) -> tuple[str, str] | None:
    """The section and key that an environment name stands for."""
    plain = name.removesuffix("_FILE")
    suffix = "_file" if plain != name else ""
    if plain in GIVEN_NAMES:
        section, key = GIVEN_NAMES[plain]
        return section, key + suffix
    if not plain.startswith("VURKSHA_") or "__" not in plain:
        return None
    section, _, key = plain.removeprefix("VURKSHA_").lower().partition("__")
    return section, key + suffix


def build(source: Source, plugin_sections: Mapping[str, type], absent: Collection[str] = ()) -> Settings:
    """Check everything against the declared classes; raises BadSettings with every mistake.

    `absent` are plugins that are installed and not loaded: nobody knows what may stand in their sections.
    """
    mistakes: list[str] = []
    known = {**KERNEL_SECTIONS, **plugin_sections}
    mistakes += [f"[{name}] is no section" for name in source.sections if name not in known and name not in absent]
    built = {name: _section(source, name, cls, mistakes) for name, cls in known.items()}
    if source.environment == "production":
        mistakes += [
            f"{name} is not set"
            for name, (section, key) in GIVEN_NAMES.items()
            if name in NEEDED and not source.given(section, key)
        ]
    if source.environment == "production" and source.sections.get("faults", {}).get("points"):
        mistakes.append("faults.points is for tests")
    if mistakes:
        raise BadSettings(mistakes)
    return Settings(
        environment=source.environment,
        data_dir=source.data_dir,
        plugins=source.plugins,
        sections={name: built[name] for name in plugin_sections},
        origins=source.origins,
        **{name: built[name] for name in KERNEL_SECTIONS},  # type: ignore[arg-type]  # built by name
    )


def _section(source: Source, name: str, cls: type, mistakes: list[str]) -> object:
    given = dict(source.sections.get(name, {}))
    values: dict[str, Any] = {}
    for field in attrs.fields(cls):
        path, value = given.pop(f"{field.name}_file", None), given.pop(field.name, None)
        if path is not None:
            value = _file(path, f"{name}.{field.name}", mistakes)
        if value is None:
            value = _generated(source, name, field, mistakes)
        if value is not None:
            values[field.name] = _value(value, field, f"{name}.{field.name}", source, mistakes)
    mistakes += [f"{name}.{key} is no setting" for key in given]
    try:
        return _converter.structure({camel(k): v for k, v in values.items()}, cls)
    except Invalid as error:
        mistakes += [f"{name}.{_snake(e.field)} {e.message}" for e in error.errors]
        return None


def _value(value: Any, field: "attrs.Attribute[Any]", where: str, source: Source, mistakes: list[str]) -> Any:
    if Secret in (field.type, *get_args(field.type)):
        listed = [part for part in value.split(",") if part] if isinstance(value, str) and _is_list(field) else [value]
        if source.environment == "production" and type(None) not in get_args(field.type):  # a secret of our own making
            mistakes += [f"{where} needs at least {MIN_SECRET} characters" for v in listed if len(str(v)) < MIN_SECRET]
        found = [Secret(str(v)) for v in listed]
        return found if _is_list(field) else found[0]
    if isinstance(value, str) and _is_list(field):
        return _listed(value)
    return value


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _is_list(field: "attrs.Attribute[Any]") -> bool:
    return getattr(field.type, "__origin__", None) is list


def _file(path: str, where: str, mistakes: list[str]) -> str | None:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        mistakes.append(f"{where}: cannot read {path}: {error.strerror}")
        return None


def _generated(source: Source, section: str, field: "attrs.Attribute[Any]", mistakes: list[str]) -> str | None:
    """A required secret that nobody set: made and kept in the data folder in development, refused in production."""
    if field.type is not Secret or field.default is not attrs.NOTHING:
        return None
    if source.environment == "production":
        mistakes.append(f"{section}.{field.name} is not set (VURKSHA_{section.upper()}__{field.name.upper()})")
        return None
    path = source.data_dir / "secrets.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    key = f"{section}.{field.name}"
    if key not in kept:
        kept[key] = secrets.token_urlsafe(48)
        path.touch(mode=0o600, exist_ok=True)
        path.write_text(json.dumps(kept), "utf-8")
    return kept[key]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
