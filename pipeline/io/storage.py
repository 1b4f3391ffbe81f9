"""Storage: how files are found and opened. The only module that holds credentials.

Everywhere else a URL has neither login nor query, and the representation of a `Storage` shows no values. So no
credential can appear in a plan, a report, a log or the text of a task.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, cast

import fsspec

from pipeline.errors import ConfigError
from pipeline.io.redact import MASK, register_secrets
from pipeline.io.retry import RetryingFile, as_os_error, with_retries
from pipeline.io.urls import is_url, mask_credentials, origin_of, secrets_of, without_credentials

# A smaller file is read in one request: further requests would take longer than reading all of it.
SMALL_FILE_BYTES = 1 << 20

VARIABLE = re.compile(r"\$\{(\w+)\}")


class Storage:
    """fsspec's options and the URLs that have credentials; an immutable value.

    Parameters
    ----------
    config_options
        The options as in the config.
    options
        The options with the values of environment variables. They travel to the workers, whose environment differs.
    credential_urls
        For each URL without credentials, the same URL with them.
    """

    __slots__ = ("_config_options", "_credential_urls", "_options")

    def __init__(
        self,
        config_options: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        credential_urls: Mapping[str, str] | None = None,
    ):
        self._config_options = dict(config_options or {})
        self._options = dict(options or {})
        self._credential_urls = dict(credential_urls or {})
        # In every process that gets this value, a worker for example.
        _map_texts(self._options, lambda text, _: register_secrets([text]))
        register_secrets(secret for url in self._credential_urls.values() for secret in secrets_of(url))

    @classmethod
    def from_config(cls, options: object) -> "Storage":
        """From ``data.storage_options``.

        Raises
        ------
        ConfigError
            Not a table, a variable that is not set, or a value that was masked when the config was saved.
        """
        if not isinstance(options, dict):
            kind = type(options).__name__
            raise ConfigError(f"data.storage_options: Expected `object`, got `{kind}`; write a table.")
        return cls(options, _map_texts(options, _expand_variables, "data.storage_options"))

    def with_urls(self, urls: Iterable[str]) -> "Storage":
        """A storage that also opens these URLs with their credentials, by the URL without them.

        Raises
        ------
        ConfigError
            The credentials were masked when the config was saved, or two URLs differ in nothing else.
        """
        credential_urls = dict(self._credential_urls)
        for url in urls:
            clean = without_credentials(url)
            if clean == url:
                continue
            if url == mask_credentials(url):
                raise ConfigError(f"{url}: its credentials were not saved; give the whole URL, with --set for example.")
            if credential_urls.setdefault(clean, url) != url:
                raise ConfigError(f"{clean}: given with different logins or queries; give it once.")
        return Storage(self._config_options, self._options, credential_urls)

    def for_place(self, place: str, data: str) -> "Storage":
        """The storage that opens another ``place`` than the ``data``: this one, unless they are of different kinds.

        Options are those of one service. A service that is not the data's finds credentials its own way.
        """
        same_kind = place.partition("://")[0] == data.partition("://")[0]
        return self if same_kind or not is_url(data) else DEFAULT_STORAGE

    def to_config(self) -> dict[str, Any]:
        """The options for a saved config: variables by their names, other texts masked."""
        return _map_texts(self._config_options, lambda text, _: MASK if VARIABLE.sub("", text) else text)

    def masked_url(self, url: str) -> str:
        """A URL without credentials for a saved config, with stars in place of its credentials."""
        return mask_credentials(self._credential_urls.get(url, url))

    def url_to_fs(self, url: str) -> tuple[Any, str]:
        """fsspec's file system of a local path or a URL without credentials, and the path on it.

        An error may quote a secret: call it within `as_os_error` or `with_retries`.
        """
        return fsspec.core.url_to_fs(self._with_credentials(url), **self._options if is_url(url) else {})

    def clean_url(self, url: str, path: str) -> str:
        """The URL without credentials of a ``path`` on the file system of ``url``."""
        fs, root = self.url_to_fs(url)
        full_url, root = self._with_credentials(url).rstrip("/"), root.rstrip("/")
        # fsspec's own `unstrip_protocol` loses the server of some file systems, FTP for example.
        below_root = root and full_url.endswith(root)
        return without_credentials(full_url.removesuffix(root) + path if below_root else fs.unstrip_protocol(path))

    @contextlib.contextmanager
    def opened(self, url: str, footer: bool = False) -> Iterator[str | IO[bytes]]:
        """What pyarrow reads: a local path itself, which can be mapped into memory, or an open file of the storage.

        Nothing is read ahead, since pyarrow combines what it needs into few requests. A small file is read in one
        request, unless only its footer is needed (``footer``).

        Raises
        ------
        OSError
            Anything that goes wrong with a URL, also while it is read; `StorageUnreachable` if the storage failed.
        """
        if not is_url(url):
            yield url
            return
        with as_os_error():
            fs, path = self.url_to_fs(url)
            file = with_retries(lambda: fs.open(path, "rb", cache_type="none"))
            if not footer and (file.size or 0) <= SMALL_FILE_BYTES:
                file.close()
                file = with_retries(lambda: fs.open(path, "rb", cache_type="all"))
            with file:
                yield cast(IO[bytes], RetryingFile(file))

    def _with_credentials(self, url: str) -> str:
        """The URL with its own credentials, or with those of the most similar URL of the same server."""
        origin = origin_of(url)
        same_server = [clean for clean in self._credential_urls if origin_of(clean) == origin]
        if url in same_server or not same_server:
            return self._credential_urls.get(url, url)
        most_similar = max(same_server, key=lambda clean: len(os.path.commonpath([clean, url])))
        return origin_of(self._credential_urls[most_similar]) + url[len(origin) :]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Storage) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash((frozenset(self._config_options), frozenset(self._credential_urls)))

    def __reduce__(self) -> tuple[type["Storage"], tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
        return Storage, (self._config_options, self._options, self._credential_urls)

    def __repr__(self) -> str:
        return f"Storage({', '.join(self._config_options)})"


def _map_texts(value: Any, change: Callable[[str, str], Any], key: str = "") -> Any:
    """Nested tables and lists with ``change(text, key)`` in place of every text."""
    if isinstance(value, str):
        return change(value, key)
    if isinstance(value, Mapping):
        return {name: _map_texts(inner, change, f"{key}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [_map_texts(inner, change, key) for inner in value]
    return value


def _expand_variables(text: str, key: str) -> str:
    """The text with the value of the environment in place of each ``${NAME}``."""
    if text == MASK:
        raise ConfigError(
            f"{key}: its value was not saved; give it with --set {key}=… or write ${{NAME}} of a variable."
        )

    def value_of(variable: re.Match[str]) -> str:
        try:
            return os.environ[variable[1]]
        except KeyError:
            raise ConfigError(
                f"{key}: the environment variable {variable[1]} is not set; set it or write a value."
            ) from None

    return VARIABLE.sub(value_of, text)


DEFAULT_STORAGE = Storage()
