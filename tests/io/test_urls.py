import pytest

from pipeline.io.urls import mask_credentials, origin_of, secrets_of, without_credentials


@pytest.mark.parametrize(
    ("url", "clean", "secrets"),
    [
        ("data/d", "data/d", set()),
        ("s3://bucket/year=202?/*@x.parquet", "s3://bucket/year=202?/*@x.parquet", set()),
        ("https://h:80/a@b/f.parquet", "https://h:80/a@b/f.parquet", set()),
        ("https://h/f.parquet?sig=a%2Fb&v=2", "https://h/f.parquet", {"a/b", "2"}),
        ("https://h/f.parquet?open", "https://h/f.parquet", {"open"}),
        ("https://me:p%40ss@h/f", "https://h/f", {"p@ss", "bWU6cEBzcw=="}),
        ("https://token@h/f", "https://h/f", {"token", "dG9rZW4="}),
        ("ftp://me:p@ss@h:21/d", "ftp://h:21/d", {"p@ss", "bWU6cEBzcw=="}),
        ("sftp://me@h/d", "sftp://me@h/d", set()),
        ("abfs://container@account/d", "abfs://container@account/d", set()),
        ("az://container/d?sv=1&sig=abc", "az://container/d", {"1", "abc"}),
        ("github://org:repo@main/d", "github://org:repo@main/d", set()),
        ("simplecache::https://me:pass@h/f?x=y", "simplecache::https://h/f", {"pass", "bWU6cGFzcw==", "y"}),
    ],
)
def test_credentials_are_recognised_among_public_options(url, clean, secrets):
    assert without_credentials(url) == without_credentials(mask_credentials(url)) == clean
    assert set(secrets_of(url)) == secrets
    assert (mask_credentials(url) != url) == bool(secrets)
    assert without_credentials(origin_of(url)) == origin_of(clean)
