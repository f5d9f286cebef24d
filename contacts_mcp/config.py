"""Settings: the only reader of the environment.

- Every setting is an environment variable. Most are also a flag of `contacts-mcp serve` of the same name, which wins.
- An empty variable counts as not set. So does an unexpanded placeholder (`${user_config.api_key}`), which some desktop
  clients pass for a field that was left blank.
- Secrets print as `**********`.
- A container may get any setting as a file of `/run/secrets` instead, named as the variable is, in small letters.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import stat
from collections.abc import Iterable
from datetime import tzinfo
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contacts_mcp.errors import AccountError
from contacts_mcp.words.phones import is_region

LIVE_URL = "https://api.heymarket.com"
SANDBOX_URL = "http://sandbox.localhost"
_SHORTEST_KEY = 16
_HOST = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?:\d{1,5}|\*))?"  # perhaps with a port
SECRETS = Path("/run/secrets")  # where Docker, Podman and Kubernetes put files that a container alone may read


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = [name.strip() for name in value.split(",") if name.strip()]
    if value.strip() and not names:
        msg = "expected names of tools or groups, separated by commas"
        raise ValueError(msg)
    return names


def _folders(value: object) -> object:
    if not isinstance(value, str):
        return value
    folders = [part.strip() for part in value.split(os.pathsep) if part.strip()]
    for folder in folders:
        try:
            Path(folder).expanduser()
        except RuntimeError:
            msg = "there is no such user as its ~ names"
            raise ValueError(msg) from None
    return folders


class InvalidSettings(AccountError):
    """A setting has a value that cannot be used. The text names the variable and the expected value, never a secret."""


class Settings(BaseSettings):
    """The settings of one server. Construct with keyword arguments (field names) to override the environment.

    Raises InvalidSettings, through `load`, for values that cannot be used.
    """

    model_config = SettingsConfigDict(
        env_prefix="CONTACTS_MCP_",
        env_ignore_empty=True,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    secret_id: SecretStr | None = Field(
        None, validation_alias="HEYMARKET_SECRET_ID", description="Id of the API secret."
    )
    secret_key: SecretStr | None = Field(
        None, validation_alias="HEYMARKET_SECRET_KEY", description="Key of the API secret."
    )
    api_key: SecretStr | None = Field(
        None, validation_alias="HEYMARKET_API_KEY", description="Team API key (the older way)."
    )
    base_url: str = Field(
        LIVE_URL,
        validation_alias="HEYMARKET_BASE_URL",
        description="Address of the API, without a path: https, or http on this machine.",
    )
    api_key_scheme: Literal["bearer", "basic"] = Field(
        "bearer", description="How the team API key is sent: `bearer` or `basic`."
    )
    sandbox: bool = Field(
        False, description="Work on the built-in sandbox instead of the real service; no account needed."
    )
    sandbox_file: str = Field(
        "",
        description="The sandbox's database file, or `:memory:`; `sandbox.sqlite3` in the data directory by default.",
    )
    default_region: str = Field(
        "US", description="Country (ISO 3166, two letters) of phone numbers written without one."
    )
    time_zone: str = Field(
        "",
        description=(
            "IANA name of the time zone of days, such as America/Los_Angeles; "
            "this machine's own over stdio and UTC over HTTP by default."
        ),
    )
    read_only: bool = Field(False, description="Offer only the tools that read, and let no command change a contact.")
    tools: Annotated[list[str], NoDecode, BeforeValidator(_names)] = Field(
        default_factory=list,
        description="Tools or groups (`contacts`, `search`, `duplicates`, `fields`, `history`, `transfer`) to offer, "
        "comma separated; all by default.",
    )
    requests_per_minute: int = Field(
        500, ge=1, le=100_000, description="Most API requests in any minute, by all servers of this machine together."
    )
    timeout: float = Field(15.0, gt=0, le=300, description="Seconds one attempt at one API request may take.")
    call_timeout: float = Field(50.0, gt=0, le=3600, description="Seconds one tool call may take altogether.")
    confirm: Literal["auto", "token", "off"] = Field(
        "auto",
        description="How risky changes are confirmed: `auto` asks the user where the client can, "
        "`token` always by token, `off` never.",
    )
    signing_key: SecretStr | None = Field(
        None,
        description="Shared by servers that should accept each other's confirmations; "
        "one kept in the data directory by default.",
    )
    journal: bool = Field(True, description="Keep before-images of changes for 30 days, for undo.")
    files: Annotated[list[Path] | None, NoDecode, BeforeValidator(_folders)] = Field(
        None,
        description="Folders whose files may be imported and written, separated as in PATH; over stdio Downloads, "
        "Documents, Desktop and the working directory by default. A whole home and a whole disk are never open, and "
        "over HTTP nothing is.",
    )
    index: Literal["disk", "memory", "off"] = Field(
        "disk",
        description="Where the local index of contacts is kept, by which they are searched: "
        "`disk` in the data directory, `memory` while the server runs, `off` not at all.",
    )
    view: bool = Field(True, description="Offer screens beside the text, to assistants that show them.")
    accounts: Path | None = Field(
        None,
        description="File (TOML) that says who may come in over HTTP, and whose contacts they keep.",
    )
    public_url: str = Field(
        "", description="Address of this server for its clients over HTTP, such as https://contacts.example.com."
    )
    allowed_hosts: Annotated[list[str], NoDecode, BeforeValidator(_names)] = Field(
        default_factory=list,
        description="More names under which clients may reach this server over HTTP, comma separated.",
    )
    allowed_origins: Annotated[list[str], NoDecode, BeforeValidator(_names)] = Field(
        default_factory=list,
        description="Origins of web pages whose scripts may call this server, comma separated; none by default.",
    )
    proxies: Annotated[list[str], NoDecode, BeforeValidator(_names)] = Field(
        default_factory=list,
        description="Addresses or networks of the proxies whose X-Forwarded headers count, comma separated.",
    )
    other_signing_keys: SecretStr | None = Field(
        None, description="More signing keys that are accepted, comma separated, while the key is being changed."
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL database (postgresql://...) that replicas share: journal, index and runs of imports.",
    )
    redis_url: SecretStr | None = Field(
        None, description="Redis (redis://...) that replicas share: the count of requests, and pauses."
    )
    replicas_most: int = Field(
        1, ge=1, le=1000, description="The most replicas that run at once; each takes its part where Redis is lost."
    )
    metrics: str = Field(
        "", description="HOST:PORT of the metrics for Prometheus, over HTTP without a log-in; none by default."
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of the log's lines.")
    data_dir: Path | None = Field(
        None,
        description="Where journal, index, request pace and sandbox are kept; the platform's place by default.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "WARNING", description="How much goes to stderr."
    )
    log_file: Path | None = Field(
        None,
        description="File that gets a line for each call and request too, without personal data; for its owner only.",
    )

    _name: str = PrivateAttr("")  # of one account among several

    @model_validator(mode="before")
    @classmethod
    def _forget_what_is_blank(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        tidy = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {
            name: value
            for name, value in tidy.items()
            if not (isinstance(value, str) and (not value or value.startswith("${")))
        }

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key and not re.fullmatch("[!-~]+", key.get_secret_value()):
            msg = "expected the key alone, without spaces, line breaks or accented letters"
            raise ValueError(msg)
        return key

    @field_validator("secret_id", "secret_key")
    @classmethod
    def _is_one_line(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and len(secret.get_secret_value().splitlines()) > 1:
            msg = "expected it alone, without line breaks"
            raise ValueError(msg)
        return secret

    @field_validator("base_url")
    @classmethod
    def _is_safe_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if not parts.hostname or not _is_whole_port(parts) or re.search(r"[@?#\s\x00-\x1f\x7f]", url):
            msg = "expected an address such as https://api.heymarket.com, without user name, query or fragment"
            raise ValueError(msg)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(parts.hostname)):
            msg = "expected https, or http on this machine (127.0.0.1, localhost): credentials would travel unprotected"
            raise ValueError(msg)
        if re.sub("^/v[12]$", "", parts.path.rstrip("/")):  # everybody would be "not found" below it
            msg = (
                "expected an address without a path, such as https://api.heymarket.com; the API's paths are added here"
            )
            raise ValueError(msg)
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("public_url")
    @classmethod
    def _is_public_address(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if not parts.hostname or not _is_whole_port(parts) or re.search(r"[@?#\s\x00-\x1f\x7f-\U0010ffff]", url):
            msg = "expected an address such as https://contacts.example.com, without user name, query or fragment"
            raise ValueError(msg)
        if parts.path.rstrip("/"):
            msg = "expected an address without a path, such as https://contacts.example.com; /mcp is added here"
            raise ValueError(msg)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(parts.hostname)):
            msg = "expected https, or http on this machine (127.0.0.1, localhost): tokens would travel unprotected"
            raise ValueError(msg)
        return _as_clients_say(f"{parts.scheme}://{parts.netloc}")

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: list[str]) -> list[str]:
        stranger = next((host for host in hosts if not re.fullmatch(_HOST, host)), None)
        if stranger is not None:
            msg = f"expected names such as contacts.example.com, with or without a port; got {stranger[:60]!r}"
            raise ValueError(msg)
        return [host.lower() for host in hosts]

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        stranger = next((one for one in origins if not re.fullmatch(f"https?://{_HOST}", one)), None)
        if stranger is not None:
            msg = f"expected origins such as https://chat.example.com, without a path; got {stranger[:60]!r}"
            raise ValueError(msg)
        return [_as_clients_say(origin) for origin in origins]

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, proxies: list[str]) -> list[str]:
        for proxy in proxies:
            try:
                is_everybody = ipaddress.ip_network(proxy).prefixlen == 0
            except ValueError:
                is_everybody = True
            if is_everybody:
                msg = f"expected addresses or networks such as 10.0.0.0/8, not names and not all; got {proxy[:60]!r}"
                raise ValueError(msg)
        return proxies

    @field_validator("default_region")
    @classmethod
    def _is_region(cls, region: str) -> str:
        code = region.upper()
        if code != "US" and not is_region(
            code
        ):  # the usual one needs no look into the library of phones, which takes time to load
            meant = " (the United Kingdom is GB)" if code == "UK" else ""
            msg = f"expected a country code of two letters such as US or GB{meant}"
            raise ValueError(msg)
        return code

    @field_validator("time_zone")
    @classmethod
    def _is_time_zone(cls, name: str) -> str:
        if not name:  # the usual case needs no look into the table of zones, which takes time to load
            return name
        from zoneinfo import ZoneInfo, available_timezones

        try:
            return ZoneInfo(name).key
        except (ValueError, OSError, LookupError):  # a name that is a folder, a path or no name at all
            zones = {zone.casefold(): zone for zone in available_timezones()}
            if name.casefold() in zones:
                return zones[name.casefold()]
            near = get_close_matches(name.casefold(), zones, n=1)
            msg = f"expected a name such as America/Los_Angeles{f'; nearest: {zones[near[0]]}' if near else ''}"
            raise ValueError(msg) from None

    @field_validator("signing_key")
    @classmethod
    def _is_hard_to_guess(cls, key: SecretStr | None) -> SecretStr | None:
        if key and len(key.get_secret_value()) < _SHORTEST_KEY:
            msg = f"expected at least {_SHORTEST_KEY} characters that nobody can guess"
            raise ValueError(msg)
        return key

    @field_validator("other_signing_keys")
    @classmethod
    def _are_hard_to_guess(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys and any(len(key) < _SHORTEST_KEY for key in _parts(keys)):
            msg = f"expected keys of at least {_SHORTEST_KEY} characters that nobody can guess, separated by commas"
            raise ValueError(msg)
        return keys

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """The settings of the environment with `overrides` on top, where None means not given.

        Raises InvalidSettings, also for a misspelt name. A person who set READONLY thinks that nothing can be changed.
        """
        names = [*os.environ, *(file.name for file in _secrets())]
        misspelt = next(((name, near) for name in strangers(names) if (near := meant_by(name))), None)
        if misspelt:
            raise InvalidSettings("{} is not a setting. Did you mean {}?".format(*misspelt))
        given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
        for file in files_of_settings():
            given["_secrets_dir"] = SECRETS
            _refuse_file_of_no_use(file)
        try:
            return cls(**given)
        except ValidationError as error:
            raise InvalidSettings(_explain(error)) from None  # the original holds the values, secrets among them

    def for_account(self, name: str, **options: Any) -> Settings:
        """The settings of one account among several: these, with `options` (field names) in place of its own.

        No credential of this server becomes one of the account. Raises ValidationError.
        """
        own = {field: getattr(self, field) for field in type(self).model_fields}
        nobody = dict.fromkeys(("secret_id", "secret_key", "api_key"))  # said, or the environment would be asked
        chosen = type(self)(**own | nobody | options)
        chosen.model_fields_set.intersection_update(self.model_fields_set | options.keys())  # the rest are defaults
        chosen._name = name  # noqa: SLF001 -- of this class
        return chosen

    @property
    def name(self) -> str:
        """The name of the account among several, "" for the only one."""
        return self._name

    @cached_property
    def directory(self) -> Path:
        """The folder for this server's files. It is not created here. Raises InvalidSettings where it is not known."""
        if self.data_dir is not None:
            try:
                return self.data_dir.expanduser()
            except RuntimeError:
                raise InvalidSettings("CONTACTS_MCP_DATA_DIR: there is no such user as its ~ names.") from None
        import platformdirs

        place = Path(platformdirs.user_data_dir("contacts-mcp", appauthor=False))
        if not place.is_absolute():  # a user without a home: "~" would be a folder wherever the server is started
            raise InvalidSettings("CONTACTS_MCP_DATA_DIR is needed, because this user has no home folder.")
        return place

    @property
    def folders(self) -> list[Path]:
        """The folders open to imports and exports, not yet resolved."""
        if self.files is not None:
            return self.files
        try:
            home = Path.home()
        except RuntimeError:
            return [Path.cwd()]
        return [*(home / name for name in ("Downloads", "Documents", "Desktop")), Path.cwd()]

    @property
    def zone(self) -> tzinfo | None:
        """The time zone of days, None for that of this machine."""
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def accepted_signing_keys(self) -> list[bytes]:
        """The keys that are accepted beside the one that signs."""
        return [key.encode() for key in _parts(self.other_signing_keys)] if self.other_signing_keys else []

    @property
    def shares_state(self) -> bool:
        """Whether several replicas serve the same accounts."""
        return self.database_url is not None or self.redis_url is not None

    @property
    def has_credentials(self) -> bool:
        return self.api_key is not None or (self.secret_id is not None and self.secret_key is not None)

    @cached_property
    def account(self) -> str:
        """A short fingerprint of the credential in use. It tells accounts apart and gives no credential away."""
        credential = self.secret_id if self.secret_id and self.secret_key else self.api_key
        sandbox = f"sandbox {self._name}".rstrip()  # each of several accounts has one of its own
        who = sandbox if self.sandbox or credential is None else credential.get_secret_value()
        where = SANDBOX_URL if self.sandbox else self.base_url
        return hashlib.sha256(f"{where}\n{who}".encode()).hexdigest()[:16]


def _parts(keys: SecretStr) -> list[str]:
    return [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]


ONLY_ITS_OWNER = "Only its owner should: chmod 600."
Reach = Literal["", "read", "group", "all"]


def files_of_settings() -> list[Path]:
    """The files that stand for settings in a container. Capitals in their names do not matter."""
    return [file for file in _secrets() if file.name.upper() in _OURS]


def _secrets() -> list[Path]:
    return sorted(SECRETS.iterdir()) if os.access(SECRETS, os.R_OK | os.X_OK) else []


def _refuse_file_of_no_use(file: Path) -> None:
    if reach_of_others(file) == "all":
        raise InvalidSettings(f"{file}: everybody on this machine may change it. {ONLY_ITS_OWNER}")
    try:
        file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:  # a folder, where a container was to mount a file that was not there
        raise InvalidSettings(f"{file} cannot be read as a file of text ({type(error).__name__}).") from None


def reach_of_others(path: Path) -> Reach:
    """Who besides its owner reaches a file that decides who comes in, or holds a secret.

    `all` may change it, or its `group`, or all may `read` a file of our own. Nobody changes what is on a read-only
    mount. A container's secrets belong to somebody else, so it reads them as one of all.
    """
    if os.name != "posix":
        return ""
    try:
        found = path.stat()
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return ""
    except OSError:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "all"
    if found.st_mode & stat.S_IWGRP:
        return "group"
    return "read" if found.st_mode & stat.S_IROTH and found.st_uid == os.geteuid() else ""


def variable_of(field: str) -> str:
    """The environment variable that sets `field`."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"CONTACTS_MCP_{field.upper()}"


_PREFIX = "CONTACTS_MCP_"
_OURS = tuple(variable_of(name) for name in Settings.model_fields)


def strangers(variables: Iterable[str]) -> list[str]:
    """Those of `variables` that look like settings of ours and are none."""
    return sorted(name for name in variables if name.upper().startswith(_PREFIX) and name.upper() not in _OURS)


def meant_by(stranger: str) -> str:
    """The setting that a misspelt name is near to, empty where there is none."""
    bare = {_bare(name): name for name in _OURS if name.startswith(_PREFIX)}
    near = [] if is_service_link(stranger) else get_close_matches(_bare(stranger), bare, n=1, cutoff=0.75)
    return bare[near[0]] if near else ""


def is_service_link(variable: str) -> bool:
    """Whether a cluster sets such a variable for a service called like us: CONTACTS_MCP_PORT=tcp://10.0.0.1:80."""
    return bool(re.search(r"_(SERVICE_(HOST|PORT)|PORT(_\d+_(TCP|UDP|SCTP))?)(_\w+)?$", variable.upper()))


def _bare(variable: str) -> str:
    return variable.upper().removeprefix(_PREFIX).replace("_", "")


def environment() -> dict[str, str]:
    """The environment as it is, for what is not a setting of ours: where other programs keep their files."""
    return dict(os.environ)


def _is_whole_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _as_clients_say(origin: str) -> str:
    """An origin in the form that clients send and compare: in small letters, and without the usual port."""
    lower = origin.lower()
    return lower.removesuffix(":443" if lower.startswith("https:") else ":80")


def is_this_machine(host: str) -> bool:
    """Whether a connection to `host` never leaves this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _explain(error: ValidationError) -> str:
    return " ".join(
        f"{_variable_at(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}." for problem in error.errors()
    )


def _variable_at(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return variable_of(name) if name in Settings.model_fields else name
