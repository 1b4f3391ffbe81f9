"""URLs with and without the credentials in them: ``user:password@``, or a signature in the query."""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from pipeline.io.redact import MASK
from pipeline.notices import listed

LOGIN = re.compile(r"([\w.+-]+)://([^/?#]*)@")
# Except in HTTP, a ? is a wildcard unless a name and = follow, or the stars of `mask_credentials`.
QUERY = re.compile(r"(https?://[^?#]*(?=[?#])|://.*?(?=\?(?:[\w.~%-]+=|\*{3}$)))[?#](.*)", re.DOTALL)
ORIGIN = re.compile(r".*://[^/]*")


def is_url(path: str) -> bool:
    """Whether a path is a URL, not a local path."""
    return "://" in path


def map_paths(path: str | Sequence[str], change: Callable[[str], str]) -> str | list[str]:
    """A path, or each path of a list, after ``change``."""
    return change(path) if isinstance(path, str) else [change(one) for one in path]


def display_path(path: str | Sequence[str], most: int = 3) -> str:
    """A path, or the first of a list of paths, for people.

    >>> display_path("a"), display_path(["a", "b", "c", "d", "e"])
    ('a', 'a, b, c and 2 more')
    """
    return path if isinstance(path, str) else listed(path, most)


def absolute_path(path: str) -> str:
    """The path as a worker with another working folder finds it; a URL stays as it is."""
    return path if is_url(path) else str(Path(path).resolve())


def without_credentials(url: str) -> str:
    """The URL without password and query.

    >>> without_credentials("https://me:secret@host/f.parquet?signature=abc")
    'https://host/f.parquet'
    """
    return _replace(url, login="", query="")


def mask_credentials(url: str) -> str:
    """The URL with stars in place of password and query.

    >>> mask_credentials("https://me:secret@host/f.parquet?signature=abc")
    'https://***@host/f.parquet?***'
    """
    return _replace(url, login=f"{MASK}@", query=f"?{MASK}")


def secrets_of(url: str) -> Iterator[str]:
    """The passwords in a URL, as they are and as HTTP sends them, and the values of its query."""
    for login in filter(_is_secret, LOGIN.finditer(QUERY.sub(r"\1", url))):
        user, colon, password = login[2].partition(":")
        yield unquote(password if colon else user)
        yield base64.b64encode(unquote(login[2]).encode()).decode()
    if query := QUERY.search(url):
        for part in re.split("[&;]", query[2]):
            name, equals, value = part.partition("=")
            yield unquote(value if equals else name)


def origin_of(url: str) -> str:
    """Everything before the path, with the login; "" for a local path."""
    origin = ORIGIN.match(QUERY.sub(r"\1", url))
    return origin[0] if origin else ""


def _replace(url: str, login: str, query: str) -> str:
    def replace_login(match: re.Match[str]) -> str:
        return f"{match[1]}://{login}" if _is_secret(match) else match[0]

    return LOGIN.sub(replace_login, QUERY.sub(lambda match: match[1] + query, url))


def _is_secret(login: re.Match[str]) -> bool:
    """Whether the text before the @ is a login; abfs has a container there and github a repository, both public."""
    return login[1].startswith("http") or login[2] == MASK or (":" in login[2] and login[1] != "github")
