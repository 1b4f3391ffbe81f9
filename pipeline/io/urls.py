"""URLs with and without the credentials that people write into them: ``user:password@``, or a signature as query."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote

from pipeline.io.redact import HIDDEN

LOGIN = re.compile(r"([\w.+-]+)://([^/?#]*)@")
# Elsewhere than in HTTP a ? is a wildcard, unless a name and = follow, or the stars of `marked`.
QUERY = re.compile(r"(https?://[^?#]*(?=[?#])|://.*?(?=\?(?:[\w.~%-]+=|\*{3}$)))[?#](.*)", re.DOTALL)
ORIGIN = re.compile(r".*://[^/]*")


def without_credentials(url: str) -> str:
    """The URL without password and query.

    >>> without_credentials("https://me:secret@host/f.parquet?signature=abc")
    'https://host/f.parquet'
    """
    return _replaced(url, "", "")


def marked(url: str) -> str:
    """The URL with stars for both."""
    return _replaced(url, f"{HIDDEN}@", f"?{HIDDEN}")


def _replaced(url: str, login: str, query: str) -> str:
    def shorten(found: re.Match[str]) -> str:
        return f"{found[1]}://{login}" if _is_secret(found) else found[0]

    return LOGIN.sub(shorten, QUERY.sub(lambda found: found[1] + query, url))


def _is_secret(login: re.Match[str]) -> bool:
    """Whether what stands before the @ is a login: abfs has a container there, github a repository, both public."""
    return login[1].startswith("http") or login[2] == HIDDEN or (":" in login[2] and login[1] != "github")


def secrets_of(url: str) -> Iterator[str]:
    """Its passwords, as they are and as HTTP sends them, and the values of its query."""
    for found in filter(_is_secret, LOGIN.finditer(QUERY.sub(r"\1", url))):
        user, colon, password = found[2].partition(":")
        yield unquote(password if colon else user)
        yield base64.b64encode(unquote(found[2]).encode()).decode()
    if query := QUERY.search(url):
        for part in re.split("[&;]", query[2]):
            name, equals, value = part.partition("=")
            yield unquote(value if equals else name)


def origin_of(url: str) -> str:
    """All before the path, login included."""
    found = ORIGIN.match(QUERY.sub(r"\1", url))
    return found[0] if found else ""
