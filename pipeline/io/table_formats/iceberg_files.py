"""Iceberg's metadata files, read as all other files are: by fsspec, with the options and credentials of the data."""

import io

from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import StaticTable, Table

from pipeline.errors import ConfigError
from pipeline.io.retry import with_retries
from pipeline.io.storage import Storage


class StorageFile(InputFile):
    """A small file of a storage, read in one request."""

    def __init__(self, location: str, storage: Storage):
        super().__init__(location)
        self._fs, self._path = storage.url_to_fs(location)

    def __len__(self) -> int:
        return int(self._fs.size(self._path))

    def exists(self) -> bool:
        return bool(self._fs.exists(self._path))

    def open(self, seekable: bool = True) -> InputStream:
        return io.BytesIO(with_retries(lambda: self._fs.cat_file(self._path)))


class StorageFileIO(FileIO):
    """Reads the files of a table; the table may have been moved from where its metadata says.

    Parameters
    ----------
    moved_from, moved_to
        The beginnings of locations in the metadata and of where the files are.
    """

    def __init__(self, storage: Storage, moved_from: str = "", moved_to: str = ""):
        super().__init__()
        self._storage, self._moved = storage, (moved_from.rstrip("/"), moved_to.rstrip("/"))

    def place_of(self, location: str) -> str:
        """The path or URL at which a file of the metadata is."""
        before, after = self._moved
        if before != after and location.startswith(f"{before}/"):
            location = after + location[len(before) :]
        return "/" + location.removeprefix("file:").lstrip("/") if location.startswith("file:") else location

    def new_input(self, location: str) -> InputFile:
        return StorageFile(self.place_of(location), self._storage)

    def new_output(self, location: str) -> OutputFile:
        raise NotImplementedError

    def delete(self, location: str | InputFile | OutputFile) -> None:
        raise NotImplementedError


def from_metadata(folder: str, file: str, storage: Storage) -> Table:
    """The table of a metadata file, which lies in ``folder``."""
    metadata = FromInputFile.table_metadata(StorageFile(file, storage))
    files = StorageFileIO(storage, metadata.location, folder)
    return StaticTable(("table",), metadata, file, files, NoopCatalog("none"))


def from_catalog(path: str, catalog: str, name: str, storage: Storage) -> Table:
    """A table of a catalog that pyiceberg is configured for, in ``.pyiceberg.yaml`` or the environment.

    Raises
    ------
    ConfigError
        The catalog is not configured, or has no such table.
    """
    try:
        found = load_catalog(catalog)
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"{path}: pyiceberg knows no catalog {catalog!r} ({reason}); configure it in .pyiceberg.yaml or by "
            f"PYICEBERG_CATALOG__{catalog.upper()}__URI."
        ) from None
    try:
        table = found.load_table(name)
    except (NoSuchTableError, NoSuchNamespaceError):
        raise ConfigError(f"{path}: the catalog {catalog!r} has no table {name!r}; correct the path.") from None
    return StaticTable(
        table.name(), table.metadata, table.metadata_location, StorageFileIO(storage), NoopCatalog("none")
    )
