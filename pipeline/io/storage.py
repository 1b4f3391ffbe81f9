"""Storage: how files are found and opened. The only room that knows credentials.

Everywhere else a URL has neither login nor query, and what `Storage` shows of itself has no values, so neither
can stand in a plan, a report, a log or the text of a task.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, cast

import fsspec

from pipeline.errors import ConfigError
from pipeline.io.redact import HIDDEN, remember
from pipeline.io.retry import RetryingFile, as_os_error, with_retries
from pipeline.io.urls import marked, origin_of, secrets_of, without_credentials

# Bytes of a file that are read at once: a request takes as long as so many of them.
SMALL = 1 << 20

VARIABLE = re.compile(r"\$\{(\w+)\}")


def _each(value: Any, change: Callable[[str, str], Any], key: str = "") -> Any:
    """With every text in nested tables and lists changed; ``change`` is told its key."""
    if isinstance(value, str):
        return change(value, key)
    if isinstance(value, Mapping):
        return {name: _each(inner, change, f"{key}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [_each(inner, change, key) for inner in value]
    return value


def _expand(text: str, key: str) -> str:
    if text == HIDDEN:
        raise ConfigError(
            f"{key}: its value was not saved; give it with --set {key}=… or write ${{NAME}} of a variable."
        )

    def value(found: re.Match[str]) -> str:
        try:
            return os.environ[found[1]]
        except KeyError:
            raise ConfigError(
                f"{key}: the environment variable {found[1]} is not set; set it or write a value."
            ) from None

    return VARIABLE.sub(value, text)


class Storage:
    """fsspec's options, and the URLs that carry credentials; a value that never changes.

    Parameters
    ----------
    given
        The options as the config has them.
    options
        The same with the variables' values: they travel to the workers, whose environment is another.
    urls
        Each URL that carries credentials, by its clean form.
    """

    __slots__ = ("_given", "_options", "_urls")

    def __init__(
        self,
        given: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        urls: Mapping[str, str] | None = None,
    ):
        self._given, self._options, self._urls = dict(given or {}), dict(options or {}), dict(urls or {})
        # Wherever it comes to, a worker for example, its secrets are known.
        _each(self._options, lambda text, _: remember([text]))
        remember(secret for url in self._urls.values() for secret in secrets_of(url))

    @classmethod
    def of(cls, given: object) -> "Storage":
        """From ``data.storage_options``.

        Raises
        ------
        ConfigError
            Not a table, a variable that is not set, or a value that was hidden when the config was saved.
        """
        if not isinstance(given, dict):
            raise ConfigError(f"data.storage_options: Expected `object`, got `{type(given).__name__}`; write a table.")
        return cls(given, _each(given, _expand, "data.storage_options"))

    def knowing(self, urls: Iterable[str]) -> "Storage":
        """One that also opens these URLs by their clean form.

        Raises
        ------
        ConfigError
            Credentials that were hidden when the config was saved, or two URLs that differ in nothing else.
        """
        doors = dict(self._urls)
        for url in urls:
            clean = without_credentials(url)
            if clean == url:
                continue
            if url == marked(url):
                raise ConfigError(f"{url}: its credentials were not saved; give the whole URL, with --set for example.")
            if doors.setdefault(clean, url) != url:
                raise ConfigError(f"{clean}: stands there with different logins or queries; give it once.")
        return Storage(self._given, self._options, doors)

    def saved(self) -> dict[str, Any]:
        """The options for a saved config: variables by their names, other texts hidden."""
        return _each(self._given, lambda text, _: text if not VARIABLE.sub("", text) else HIDDEN)

    def saved_url(self, url: str) -> str:
        """A clean URL for a saved config, which tells that there were credentials."""
        return marked(self._urls.get(url, url))

    def locate(self, url: str) -> tuple[Any, str]:
        """The file system, and the path on it, of a path or clean URL; errors may quote a secret: `as_os_error`."""
        return fsspec.core.url_to_fs(self._real(url), **self._options if "://" in url else {})

    def name(self, url: str, found: str) -> str:
        """The clean URL of a path that was found on ``url``'s file system."""
        fs, root = self.locate(url)
        real, root = self._real(url).rstrip("/"), root.rstrip("/")
        # fsspec forgets the server of some, ftp's for example.
        whole = real.removesuffix(root) + found if root and real.endswith(root) else fs.unstrip_protocol(found)
        return without_credentials(whole)

    @contextlib.contextmanager
    def opened(self, url: str, footer: bool = False) -> Iterator[str | IO[bytes]]:
        """What pyarrow reads: a local path itself, which can be mapped into memory, or a file of the storage.

        Nothing is read ahead: pyarrow asks for what it needs, neighbours together. A small file comes in one request,
        unless only its footer is wanted.

        Raises
        ------
        OSError
            Anything that goes wrong with a URL, also while it is read; `Unreachable` if it is the storage's doing.
        """
        if "://" not in url:
            yield url
            return
        with as_os_error():
            fs, path = self.locate(url)
            file = with_retries(lambda: fs.open(path, "rb", cache_type="none"))
            if not footer and (file.size or 0) <= SMALL:
                file.close()
                file = with_retries(lambda: fs.open(path, "rb", cache_type="all"))
            with file:
                yield cast(IO[bytes], RetryingFile(file))

    def _real(self, url: str) -> str:
        """With credentials: the URL's own, or those of the one of the same server that is most like it."""
        origin = origin_of(url)
        near = [clean for clean in self._urls if origin_of(clean) == origin]
        if url in near or not near:
            return self._urls.get(url, url)
        nearest = max(near, key=lambda clean: len(os.path.commonpath([clean, url])))
        return origin_of(self._urls[nearest]) + url[len(origin) :]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Storage) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash((frozenset(self._given), frozenset(self._urls)))

    def __reduce__(self) -> tuple[type["Storage"], tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
        return Storage, (self._given, self._options, self._urls)

    def __repr__(self) -> str:
        return f"Storage({', '.join(self._given)})"


PLAIN = Storage()
