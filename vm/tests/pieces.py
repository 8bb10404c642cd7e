# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of kernels that can be unpacked like real ones, but do not boot."""

import subprocess

RELEASE = "6.99-test"


def image(release=RELEASE, build="#1", magic=b"HdrS"):
    """The head of a bzImage."""
    content = bytearray(0x4000)
    content[0x202:0x206] = magic
    content[0x20E:0x210] = (0x1000).to_bytes(2, "little")
    content[0x1200:0x1300] = f"{release} (x@y) {build} SMP".encode().ljust(0x100, b"\0")
    return bytes(content)


def module(name, release=RELEASE):
    info = [f"name={name}", "depends=", f"vermagic={release} SMP mod_unload "]
    return b"\x7fELF\0" + b"\0".join(line.encode() for line in info) + b"\0"


def config(**options):
    base = {"BLK_DEV_INITRD": "y", "SERIAL_8250_CONSOLE": "y", "VIRTIO_PCI": "y", "VIRTIO_CONSOLE": "m"}
    return "".join(
        f"CONFIG_{name}={value}\n" for name, value in {**base, **options}.items() if value
    ).encode()


def write(directory, files):
    """Write path -> content below a directory and return it."""
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return directory


def deb(path, files):
    """Build a Debian package."""
    name = path.stem.partition("_")[0]
    control = f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: x\nDescription: x\n"
    root = write(path.parent / f"{path.name}.d", {**files, "DEBIAN/control": control.encode()})
    subprocess.run(
        ["dpkg-deb", "-Znone", "--root-owner-group", "-b", root, path], check=True, capture_output=True
    )
    return path


SPEC = """\
Name: {name}
Version: 1
Release: 1
Summary: x
License: GPL
AutoReqProv: no
%define __strip /bin/true
%define __brp_compress /bin/true
%define _build_id_links none
%description
x
%install
cp -a {root}/. %{{buildroot}}
%files
/
"""


def rpm(directory, name, root):
    """Build an RPM package of the files below `root`."""
    spec = directory / f"{name}.spec"
    spec.write_text(SPEC.format(name=name, root=root))
    command = ["rpmbuild", "-bb", "--nodeps", "--define", f"_topdir {directory}/rpmbuild", spec]
    subprocess.run(command, check=True, capture_output=True)
    (package,) = (directory / "rpmbuild/RPMS").rglob(f"{name}-1-1.*.rpm")
    return package


def tree(directory, *, modules=("virtio_console",), **options):
    """Make a build tree."""
    own = {f"drivers/{name}.ko": module(name) for name in modules}
    content = {
        "arch/x86/boot/bzImage": image(build=options.pop("build", "#1")),
        ".config": config(**options),
        **own,
    }
    order = "".join(f"drivers/{name}.o\n" for name in modules)
    return write(directory, {**content, "modules.order": order.encode()})
