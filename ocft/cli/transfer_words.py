"""What commands call a transfer: its name and how much it is, or what else is known of it."""

from ocft.cli.terminal import format_size, printable
from ocft.transfers import TransferInfo


def extent(info: TransferInfo) -> str:
    """Return how much a transfer is: "2.0 KB", "3 files, 2.0 KB", "2 of 3 files, 2.0 KB"."""
    size = size_words(info)
    return size if info.file_count == 1 else f"{files_words(info)}, {size}"


def size_words(info: TransferInfo) -> str:
    """Return the size of the files that the receiver takes."""
    return format_size(info.size if info.bytes_taken is None else info.bytes_taken)


def files_words(info: TransferInfo) -> str:
    """Return the number of files, and of those the receiver takes if these are not all."""
    if info.files_taken is not None and info.files_taken != info.file_count:
        return f"{info.files_taken} of {info.file_count} files"
    return f"{info.file_count} files" if info.file_count != 1 else "1 file"


def described(info: TransferInfo) -> str:
    """Return name and extent: "photos (3 files, 2.0 KB)"."""
    if info.filename:
        return f"{printable(info.filename)} ({extent(info)})"
    # The names of wire 2 come with the first data (R-MAN-1).
    return extent(info) if info.file_count != 1 else f"1 file ({extent(info)})"


def title(info: TransferInfo) -> str:
    """Return what an error about the transfer begins with: its quoted name, or its id."""
    return repr(info.filename) if info.filename else f"The transfer {printable(info.id)}"
