# SPDX-License-Identifier: GPL-2.0-or-later
"""Damage to an ext4 that is not mounted, found when the inode is read (Documentation/filesystems/ext4)."""

import struct
from pathlib import Path

_SUPERBLOCK = 1024
_INCOMPAT_64BIT = 0x80
_INODE_TABLE_LO = 8


def damage_inode(image: Path, number: int) -> None:
    """Invert the type and the permissions of an inode in an ext4 image."""
    with image.open("r+b") as file:
        file.seek(_offset_of_inode(image, number))
        mode = file.read(2)
        file.seek(-2, 1)
        file.write(bytes(byte ^ 0xFF for byte in mode))


def _offset_of_inode(image: Path, number: int) -> int:
    content = image.read_bytes()

    def field(offset: int, form: str = "<I") -> int:
        value: int = struct.unpack_from(form, content, offset)[0]
        return value

    first_block, log_size = field(_SUPERBLOCK + 20), field(_SUPERBLOCK + 24)
    inodes_per_group, inode_size = field(_SUPERBLOCK + 40), field(_SUPERBLOCK + 88, "<H")
    is_64bit = field(_SUPERBLOCK + 96) & _INCOMPAT_64BIT
    descriptor_size = field(_SUPERBLOCK + 254, "<H") if is_64bit else 32
    block_size = 1024 << log_size
    group, index = divmod(number - 1, inodes_per_group)
    descriptor = (first_block + 1) * block_size + group * descriptor_size
    return field(descriptor + _INODE_TABLE_LO) * block_size + index * inode_size
