"""What a manifest says about its transfer: a name for people, and where its files are."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from ocft.ranges import Range
from ocft.storage import TransferRecord
from ocft.transfers import TransferInfo
from ocft.wire import Manifest


def described_by(manifest: Manifest, record: TransferRecord) -> TransferRecord:
    """Return a row with the name, and of a single file the digest, that people look for."""
    info = replace(record.info, filename=name_of(manifest))
    if len(manifest.files) == 1:
        info = replace(info, digest=manifest.files[0].digest.hex())
    return replace(record, info=info)


def name_of(manifest: Manifest) -> str:
    """Return what files are called together: their one name or folder, or the first and more."""
    roots = list(dict.fromkeys(one.name.split("/")[0] for one in manifest.files))
    if len(roots) == 1:
        return roots[0] + ("/" if "/" in manifest.files[0].name else "")
    return f"{roots[0]} and {len(roots) - 1} more"


def ranges_of(manifest: Manifest, manifest_size: int, numbers: Iterable[int]) -> list[Range]:
    """Return where files are in the byte space."""
    offsets = manifest.offsets()
    places = (
        (manifest_size + offsets[one], manifest_size + offsets[one] + manifest.files[one].size)
        for one in sorted(numbers)
    )
    return [(first, end) for first, end in places if first < end]


def without(manifest: Manifest, left_out: Collection[int], info: TransferInfo) -> TransferInfo:
    """Return what is known of a transfer of which some files are not wanted."""
    if not left_out:
        return info
    return replace(
        info,
        files_taken=len(manifest.files) - len(left_out),
        bytes_taken=info.size - sum(manifest.files[one].size for one in left_out),
    )


def taken_of(info: TransferInfo) -> tuple[int, int] | None:
    """Return how many files, and bytes of them, are taken; None: all of them."""
    if info.files_taken is None or info.bytes_taken is None:
        return None
    return info.files_taken, info.bytes_taken
