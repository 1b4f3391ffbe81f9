import ssl

import pytest

from pipeline.engine.cluster.tls import plain_connection_warnings, tls_error_reason


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786", "tls://10.0.0.1:8786"]
)
def test_loopback_or_tls_gives_no_warning(address):
    assert plain_connection_warnings(address) == []


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://scheduler:8786", "ucx://10.0.0.1:8786"])
def test_plain_connection_to_another_machine_gives_a_warning(address):
    (warning,) = plain_connection_warnings(address)
    assert "without TLS: whoever reaches it can read the data and run code on the workers" in warning


def test_reason_of_a_tls_error_is_found_among_the_causes():
    cause = ssl.SSLError(1, "certificate verify failed")
    cause.reason = "CERTIFICATE_VERIFY_FAILED"
    error = OSError("no connection")
    error.__cause__ = cause
    assert tls_error_reason(error) == "CERTIFICATE_VERIFY_FAILED"
    assert tls_error_reason(OSError("no connection")) is None
    assert tls_error_reason(None) is None
