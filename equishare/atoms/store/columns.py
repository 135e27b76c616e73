"""A column: an array in a ``.npy`` file that grows row by row, and is read row by row."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from equishare.atoms.store.tables import StoreError, again


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """NumPy's header; it has the same length whatever the number of rows."""
    stream = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


class ColumnWriter:
    """Appends rows to a column.

    Args:
        path: Of the file; made where it is not there.
        dtype: Of the numbers.
        tail: Shape of a row.
        rows: How many rows to keep of a file that is there.
    """

    def __init__(self, path: Path, dtype: Any, tail: tuple[int, ...], rows: int = 0) -> None:
        self.dtype, self.tail, self.rows = np.dtype(dtype), tail, rows
        start = len(_header(self.dtype, (0, *tail)))
        self._file: IO[bytes] = path.open("r+b" if path.exists() else "w+b")
        size = start + rows * self.dtype.itemsize * int(np.prod(tail, dtype=int))
        if rows and os.fstat(self._file.fileno()).st_size < size:
            raise StoreError(f"{path} is shorter than it should be; {again(path.parent)}")
        self._file.truncate(size)
        self._file.seek(0)
        self._file.write(_header(self.dtype, (rows, *tail)))
        self._file.seek(0, os.SEEK_END)

    def append(self, values: np.ndarray) -> bytes:
        """Write rows after the others; their bytes are returned."""
        content = np.ascontiguousarray(values, dtype=self.dtype).reshape(-1, *self.tail)
        self._file.write(raw := content.tobytes())
        self.rows += len(content)
        return raw

    def commit(self) -> None:
        """Let the file say how many rows it has."""
        self._file.seek(0)
        self._file.write(_header(self.dtype, (self.rows, *self.tail)))
        self._file.seek(0, os.SEEK_END)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Column:
    """Reads rows of a column, from several threads if need be; what was read does not stay in memory.

    Raises:
        StoreError: if the file is absent, no column, or has not as many rows as expected.
    """

    def __init__(self, path: Path, rows: int) -> None:
        try:
            with path.open("rb") as stream:
                if np.lib.format.read_magic(stream) != (1, 0):
                    raise ValueError("not of version 1.0")
                shape, fortran, self.dtype = np.lib.format.read_array_header_1_0(stream)
                self._start = stream.tell()
                self._descriptor = os.dup(stream.fileno())
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        self.tail = tuple(int(n) for n in shape[1:])
        self._row = self.dtype.itemsize * int(np.prod(self.tail, dtype=int))
        have = (os.fstat(self._descriptor).st_size - self._start) // self._row
        if fortran or self.dtype.hasobject or shape[0] != rows or have < rows:
            raise StoreError(f"{path} holds {min(have, shape[0])} rows, expected {rows}")

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Rows from a number up to another."""
        raw = os.pread(self._descriptor, (rows.stop - rows.start) * self._row, self._start + rows.start * self._row)
        return np.frombuffer(raw, self.dtype).reshape(-1, *self.tail)

    def __del__(self) -> None:
        if (descriptor := self.__dict__.pop("_descriptor", None)) is not None:
            os.close(descriptor)
