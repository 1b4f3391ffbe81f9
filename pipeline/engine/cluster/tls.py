"""TLS: certificates for connections to a scheduler, and a warning about connections without them."""

import ipaddress
import ssl
from pathlib import Path

from distributed import Security

from pipeline import config as cfg
from pipeline.errors import ConfigError

# Protocols in which both sides show a certificate.
TLS_PROTOCOLS = ("tls://", "wss://")


def load_security(config: cfg.ClusterConfig) -> Security | None:
    """Return the certificates for all connections; None if Dask's own configuration decides.

    Raises
    ------
    ConfigError
        A certificate is missing or invalid, or the address does not use TLS.
    """
    paths = {"tls_ca": config.tls_ca, "tls_cert": config.tls_cert, "tls_key": config.tls_key}
    given = {key: path for key, path in paths.items() if path is not None}
    address = config.scheduler or ""
    if not given:
        if address.startswith(TLS_PROTOCOLS) and not Security().tls_ca_file:
            raise ConfigError(f"cluster.tls_ca: missing, but {address} speaks TLS; name the CA, certificate and key.")
        return None
    for key, path in paths.items():
        if path is None:
            raise ConfigError(f"cluster.{key}: missing, but cluster.{next(iter(given))} is there; TLS needs all three.")
        if not Path(path).is_file():
            raise ConfigError(f"cluster.{key}: no file {path}; correct the path.")
    if address and not address.startswith(TLS_PROTOCOLS):
        raise ConfigError(f"cluster.scheduler: {address} is a plain connection, but TLS was asked for; write tls://….")
    kinds = ("client", "scheduler", "worker")
    security = Security(
        tls_ca_file=config.tls_ca,
        require_encryption=True,
        **{f"tls_{kind}_cert": config.tls_cert for kind in kinds},
        **{f"tls_{kind}_key": config.tls_key for kind in kinds},
    )
    try:
        security.get_connection_args("client")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise ConfigError(f"cluster.tls_cert: the certificates are of no use ({error}); correct them.") from None
    return security


def plain_connection_warnings(address: str) -> list[str]:
    """Return a warning for the user if ``address`` is on another machine and without TLS, else nothing."""
    host = address.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if is_loopback or address.startswith(TLS_PROTOCOLS):
        return []
    return [f"warning     {address} is without TLS: whoever reaches it can read the data and run code on the workers"]


def tls_error_reason(error: BaseException | None) -> str | None:
    """Return the reason of the TLS error among an error and its causes; None if there is none."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return str(error.reason or error)
        error = error.__cause__ or error.__context__
    return None
