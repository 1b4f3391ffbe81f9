"""Security of connections: certificates, and what it means to have none."""

import ipaddress
import ssl
from pathlib import Path

from distributed import Security

from pipeline import config as cfg
from pipeline.errors import ConfigError

# Addresses of which both sides prove who they are.
SECURE = ("tls://", "wss://")


def security_of(config: cfg.ClusterConfig) -> Security | None:
    """What connections are made with; None: as Dask's own configuration has it."""
    paths = {"tls_ca": config.tls_ca, "tls_cert": config.tls_cert, "tls_key": config.tls_key}
    given = {key: path for key, path in paths.items() if path is not None}
    address = config.scheduler or ""
    if not given:
        if address.startswith(SECURE) and not Security().tls_ca_file:
            raise ConfigError(f"cluster.tls_ca: missing, but {address} speaks TLS; name the CA, certificate and key.")
        return None
    for key, path in paths.items():
        if path is None:
            raise ConfigError(f"cluster.{key}: missing, but cluster.{next(iter(given))} is there; TLS needs all three.")
        if not Path(path).is_file():
            raise ConfigError(f"cluster.{key}: no file {path}; correct the path.")
    if address and not address.startswith(SECURE):
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


def risks(address: str) -> list[str]:
    """What a person should know before using a scheduler at ``address``."""
    host = address.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if near or address.startswith(SECURE):
        return []
    return [f"warning     {address} is without TLS: whoever reaches it can read the data and run code on the workers"]


def refusal(error: BaseException | None) -> str | None:
    """What TLS said no to, if it is the cause of an error somewhere."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return str(error.reason or error)
        error = error.__cause__ or error.__context__
    return None
