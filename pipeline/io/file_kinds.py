"""File kinds: what a file is, by its first bytes, whatever it is called."""

import codecs

FileKind = str
"""As the end of "this file is …"."""

PARQUET, ENCRYPTED, EMPTY, UNKNOWN = "Parquet", "encrypted Parquet", "empty", "of an unknown kind"

PROBE_BYTES = 512

# The longest signature first where one begins like another.
SIGNATURES: tuple[tuple[bytes, FileKind], ...] = (
    (b"PAR1", PARQUET),
    (b"PARE", ENCRYPTED),
    (b"ARROW1", "Arrow IPC (Feather)"),
    (b"FEA1", "Feather of version 1"),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"\x89HDF", "HDF5"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"(\xb5/\xfd", "compressed with zstd"),
)


def kind_of(first_bytes: bytes) -> FileKind:
    """What a file is that begins with these bytes, at most `PROBE_BYTES` of them.

    >>> kind_of(b"PAR1"), kind_of(b""), kind_of(b"id,name\\n1,a\\n"), kind_of(b'{"id": 1}')
    ('Parquet', 'empty', 'CSV', 'JSON')
    """
    if not first_bytes:
        return EMPTY
    for signature, kind in SIGNATURES:
        if first_bytes.startswith(signature):
            return kind
    try:  # the last character may be cut off
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(first_bytes, final=len(first_bytes) < PROBE_BYTES)
    except UnicodeDecodeError:
        return UNKNOWN
    if any(ord(character) < 32 and character not in "\t\r\n\f" for character in text):
        return UNKNOWN
    if text.lstrip()[:1] in ("{", "["):
        return "JSON"
    return "CSV" if any(separator in text.partition("\n")[0] for separator in ",;\t|") else "text"


def not_parquet(path: str, kind: FileKind) -> str:
    """The sentence that refuses a file of another kind."""
    if kind == ENCRYPTED:
        return f"{path}: an encrypted Parquet file, which cannot be read; write it without encryption."
    if kind == EMPTY:
        return f"{path}: not a readable Parquet file but empty; write it again or remove it."
    return f"{path}: not a readable Parquet file but {kind}; convert it to Parquet, with pandas or DuckDB for example."
