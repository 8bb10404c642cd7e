# SPDX-License-Identifier: GPL-2.0-or-later
"""User's kernels in all forms, really booted in one run; without its modules none of them boots."""

import subprocess

import pytest

from vm import kernels, packages
from vm.archive import Suite
from vm.bootimage import image_release
from vm.tests import pieces, sessions

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SMALL = f"{sessions.FAULTS}/complaint.py"
NEEDED = {f"{name}.ko" for name in ("virtio", "virtio_ring", "virtio_pci", "virtio_console", "loop")}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Debian's 5.10 package, whose virtio drivers are modules: a kernel that needs them."""
    suite = Suite("bullseye-security")
    suite.update()
    name = kernels.latest("5.10").name
    return suite.download([name], tmp_path_factory.mktemp("package"), lambda *_: None)[0]


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    directory = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    return directory


@pytest.fixture(scope="module")
def release(unpacked):
    return next((unpacked / "lib/modules").iterdir()).name


@pytest.fixture(scope="module")
def drivers(unpacked, release):
    """Path -> content of the few modules that a VM needs, as a distribution installs them."""
    found = (unpacked / "lib/modules" / release).rglob("*.ko")
    return {str(path.relative_to(unpacked)): path.read_bytes() for path in found if path.name in NEEDED}


@pytest.fixture(scope="module")
def image(unpacked, release):
    return (unpacked / f"boot/vmlinuz-{release}").read_bytes()


@pytest.fixture(scope="module")
def config(unpacked, release):
    """Return the configuration with an added comment, so that the kernels below differ in content."""
    return lambda comment: (unpacked / f"boot/config-{release}").read_bytes() + f"# {comment}\n".encode()


@pytest.fixture
def built(image, config, drivers, tmp_path):
    """A build tree (O=DIR): the image, the configuration, and the modules beside their sources."""
    own = {path.partition("/kernel/")[2]: content for path, content in drivers.items()}
    order = "".join(f"kernel/{path}\n" for path in own).encode()
    files = {packages.BZIMAGE: image, ".config": config("tree"), "modules.order": order, **own}
    return pieces.write(tmp_path / "patched" / "linux", files)


@pytest.fixture
def other(tmp_path):
    """The tree of another kernel with built-in drivers, in a directory with the same name."""
    kernel = kernels.kernel("6.12")
    files = {packages.BZIMAGE: kernel.image, ".config": kernel.image.with_name("config")}
    return pieces.write(
        tmp_path / "stock" / "linux", {path: file.read_bytes() for path, file in files.items()}
    )


@pytest.fixture
def rpm(image, config, drivers, release, tmp_path):
    """What make binrpm-pkg packs."""
    place = f"lib/modules/{release}"
    files = {f"{place}/vmlinuz": image, f"{place}/config": config("rpm"), **drivers}
    return pieces.rpm(tmp_path, "kernel", pieces.write(tmp_path / "rpm", files))


@pytest.fixture
def split(image, config, drivers, release, tmp_path):
    """A kernel in two packages, as Debian's since 6.19."""
    files = {f"usr/lib/modules/{release}/vmlinuz": image, f"boot/config-{release}": config("split")}
    binary = pieces.deb(tmp_path / f"linux-binary-{release}_1_amd64.deb", files)
    return binary, pieces.deb(tmp_path / f"linux-modules-{release}_1_amd64.deb", drivers)


@pytest.fixture
def bare(image, tmp_path):
    (tmp_path / "bzImage").write_bytes(image)
    return tmp_path / "bzImage"


def boots(words, releases, results):
    """Run a few tests on kernels, and check the releases of the kernels that they ran on."""
    session = sessions.run(*map(str, words), SMALL, results=results)
    assert {r["kernel"]: r["release"] for r in session.records()} == releases, session.output
    for kernel in releases:
        assert sorted(session.statuses(kernel).values()) == ["fail", "pass", "pass", "pass"], session.output


def test_trees_of_one_name_and_a_bare_image_with_modules(built, other, bare, unpacked, release, tmp_path):
    image = ["--kernel", f"image={bare}", "--modules", unpacked / "lib/modules"]
    releases = {"patched-linux": release, "image": release}
    releases["stock-linux"] = image_release(kernels.kernel("6.12").image)
    boots(["--kernel", built, "--kernel", other, *image], releases, tmp_path / "out")


def test_packages(package, rpm, split, release, tmp_path):
    words = [
        "--kernel",
        rpm,
        "--kernel",
        f"debian={package}",
        "--kernel",
        f"split={split[0]}",
        "--modules",
        split[1],
    ]
    boots(words, dict.fromkeys((rpm.stem, "debian", "split"), release), tmp_path / "out")
