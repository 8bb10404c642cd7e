# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetching from the archives that a machine's apt is configured with, without its lists: real apt, small archives."""

import os
import stat

import pytest

from vm import apt, archive, kernels, tools
from vm.archive import Suite
from vm.errors import VmError
from vm.tests import archives
from vm.tests.archives import KERNEL, Machine, Server, Signer, Silent

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")

SUITES = ("trixie", "trixie-backports")
SECURITY = ("trixie-security", "bullseye-security")


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    signer = Signer(tmp_path_factory.mktemp("key") / "gpg")
    yield signer
    signer.close()


@pytest.fixture(scope="module")
def tree(tmp_path_factory, signer):
    """A web server's directory with Debian's two archives, under neutral names, and other archives."""
    tree = tmp_path_factory.mktemp("www")
    archives.debian(tree / "mirror", signer, *SUITES)
    archives.debian(tree / "updates", signer, *SECURITY)
    archives.debian(tree / "pair", signer, *SUITES)
    archives.debian(tree / "pair-security", signer, *SECURITY)
    archives.publish(tree / "vendor", "trixie", signer, origin="Vendor")
    archives.publish(tree / "unsigned", "trixie", None)
    return tree


@pytest.fixture
def server(tree):
    server = Server(tree)
    yield server
    server.close()


@pytest.fixture
def silent():
    silent = Silent()
    yield silent
    silent.close()


@pytest.fixture
def machine(tmp_path, monkeypatch, signer):
    machine = Machine(tmp_path / "machine")
    machine.configure(f'Dir::Etc::trusted "{signer.keyring}";')
    monkeypatch.setenv("APT_CONFIG", str(machine.configuration))
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(archive, "KEYRING", signer.keyring)
    monkeypatch.setattr(archive, "memory", archive.Memory())
    monkeypatch.setattr(apt, "SILENCE", 3.0)
    monkeypatch.setattr(apt, "PATIENCE", apt.PATIENCE | {"Acquire::http::Timeout": "2"})
    return machine


def names(suite):
    """Fetch a suite's list, and return the names of its packages."""
    suite = Suite(suite)
    suite.update()
    return [package.name for package in suite.packages("linux-.*")]


# --- where the archive is -----------------------------------------------------------------------------------------

FORMS = {
    "one-line": ("list", ["deb http://{at}/mirror trixie main"]),
    "options": ("list", ["deb [arch=amd64 signed-by={keyring}] http://{at}/mirror/ trixie main contrib"]),
    "deb822": (
        "sources",
        ["Types: deb deb-src", "URIs: http://{at}/mirror", "Suites: trixie", "Components: main"],
    ),
    "file": ("list", ["deb file:{tree}/mirror trixie main"]),
    "list of mirrors": ("list", ["deb mirror+file:{tree}/mirrors.txt trixie main"]),
    "other suite": ("list", ["deb http://{at}/mirror trixie-backports main"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_archive_is_found(form, machine, server, tree, signer):
    (tree / "mirrors.txt").write_text(f"http://{server.at}/mirror\n")
    kind, lines = FORMS[form]
    places = {"at": server.at, "tree": tree, "keyring": signer.keyring}
    machine.source(*(line.format(**places) for line in lines), form=kind)
    assert names("trixie") == [KERNEL]


NEIGHBOURS = {
    "other vendor": "deb http://{at}/vendor trixie main",
    "unsigned": "deb http://{at}/unsigned trixie main",
    "not there": "deb http://{at}/nowhere trixie main",
    "refuses": "deb http://127.0.0.2:9/repository trixie main",
    "drops packets": "deb http://{silent}/repository trixie main",
    "unknown host": "deb https://repository.invalid/x trixie main",
    "flat": "deb [trusted=yes] http://{at}/flat ./",
    "CD": "deb cdrom:[Debian GNU/Linux 13]/ trixie main",
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_other_sources_do_no_harm(neighbour, machine, server, silent, signer):
    machine.source(NEIGHBOURS[neighbour].format(at=server.at, silent=silent.at))
    machine.source(f"deb http://{server.at}/mirror trixie main")
    assert names("trixie") == [KERNEL]


def test_a_list_that_apt_has_fetched_is_not_fetched_to_find_the_archive(machine, server, silent, tree):
    name = f"{server.at}_mirror_dists_trixie_InRelease"
    (machine.lists / name).write_text((tree / "mirror/dists/trixie/InRelease").read_text())
    name = f"{server.at}_updates_dists_trixie-security_InRelease"
    (machine.lists / name).write_text((tree / "updates/dists/trixie-security/InRelease").read_text())
    machine.source(f"deb http://{server.at}/mirror trixie main", f"deb http://{silent.at}/x trixie main")
    machine.source(f"deb http://{server.at}/updates trixie-security main")
    assert names("trixie-security") == [KERNEL]
    assert silent.callers() == 0


def test_the_machines_proxy_is_used(machine, server, signer):
    machine.configure(f'Acquire::http::Proxy "http://{server.at}";')
    machine.source("deb http://archive.invalid/mirror trixie main")
    assert names("trixie") == [KERNEL]
    assert server.asked[0].startswith("http://archive.invalid/mirror/")


@pytest.mark.parametrize("where", ["address", "auth.conf"])
def test_the_machines_password_is_used_and_never_shown(where, machine, server, signer, tmp_path, capfd):
    server.password = "user:secret"
    inside = "user:secret@" if where == "address" else ""
    (tmp_path / "auth.conf").write_text(f"machine http://{server.at} login user password secret\n")
    if not inside:
        machine.configure(f'Dir::Etc::netrc "{tmp_path}/auth.conf";')
    machine.source(f"deb http://{inside}{server.at}/mirror trixie main")
    assert names("trixie") == [KERNEL]
    assert f"archive http://{server.at}/mirror;" in archive.described()
    assert "secret" not in archive.described() + "".join(capfd.readouterr())
    assert stat.S_IMODE((Suite("trixie").directory / "sources.list").stat().st_mode) == 0o600


def test_a_wrong_password_is_not_shown(machine, server):
    server.password = "user:other"
    machine.source(f"deb http://user:secret@{server.at}/mirror trixie main")
    with pytest.raises(VmError, match="401") as failure:
        names("trixie")
    assert "secret" not in str(failure.value)


def test_nothing_of_the_machine_is_touched(machine, server, signer, tmp_path):
    machine.configure(
        *(f'APT::Update::{when} {{"touch {tmp_path}/ran";}};' for when in ("Pre-Invoke", "Post-Invoke"))
    )
    machine.source(f"deb http://{server.at}/mirror trixie main")
    assert names("trixie") == [KERNEL]
    assert not (tmp_path / "ran").exists()
    assert [path.name for path in machine.lists.rglob("*")] == ["partial"]


NO_ARCHIVE = {
    "no source": ([], "Debian's archive is not among this machine's apt sources; add it to them"),
    "only a vendor's": (["deb http://{at}/vendor trixie main"], "Debian's archive is not among this"),
    "refuses": (["deb http://127.0.0.1:9/x trixie main"], "not all could be asked: .*Connection refused"),
    "malformed": (["deb http://{at}/mirror"], "apt-get fails: Malformed entry 1 in list file"),
    "other key": (["deb http://{at}/foreign trixie main"], "it is not signed with a key of Debian's"),
    "suite is gone": (["deb http://{at}/mirror trixie main"], "the archive has no such suite"),
}


@pytest.mark.parametrize("reason", NO_ARCHIVE)
def test_an_archive_that_can_not_be_had_is_told_in_one_line(reason, machine, server, signer, tree, tmp_path):
    lines, message = NO_ARCHIVE[reason]
    machine.source(*(line.format(at=server.at) for line in lines))
    if reason == "other key":
        other = Signer(tmp_path / "other")
        machine.configure(f'Dir::Etc::trusted "{other.keyring}";')
        archives.debian(tree / "foreign", other, "trixie")
        other.close()
    with pytest.raises(VmError, match=message) as failure:
        names("sid" if reason == "suite is gone" else "trixie")
    assert "\n" not in str(failure.value)


# --- without a security archive -----------------------------------------------------------------------------------


@pytest.fixture
def main_alone(machine, server, signer):
    machine.source(f"deb http://{server.at}/mirror trixie main")


def test_a_series_that_the_main_archive_has_comes_from_there(main_alone, capfd):
    assert kernels.latest("6.12").suite == "trixie"
    assert "security archive is not among this machine's apt sources" in (said := capfd.readouterr().err)
    assert "going on with trixie alone" in said


def test_a_series_that_only_the_security_archive_has_can_not_be_had(main_alone):
    with pytest.raises(
        VmError, match=r"bullseye-security .* security archive is not among this machine's apt"
    ):
        kernels.latest("5.10")


def test_the_security_archive_beside_the_main_one_is_used(machine, server, signer, capfd):
    machine.source(f"deb http://{server.at}/pair trixie main")
    assert names("bullseye-security") == [KERNEL]
    assert "bullseye-security is taken from beside the main archive" in capfd.readouterr().err
    assert "security archive is not among" in archive.described()


# --- limits of time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("series", ["6.12", "7.2"])
def test_an_archive_that_never_answers_is_waited_for_once_in_a_run(series, machine, silent, signer, tree):
    for suite in ("trixie", "trixie-backports"):
        release = (tree / "mirror/dists" / suite / "InRelease").read_text()
        (machine.lists / f"{silent.at}_mirror_dists_{suite}_InRelease").write_text(release)
    machine.source(f"deb http://{silent.at}/mirror trixie main")
    with pytest.raises(VmError, match="nothing came for 3 s"):
        kernels.latest(series)
    callers = silent.callers()
    with pytest.raises(VmError, match="nothing came for 3 s"):
        kernels.latest("7.3")
    assert callers == silent.callers() > 0


def test_apt_is_ended_when_it_takes_too_long(machine, silent, monkeypatch):
    monkeypatch.setattr(apt, "LIMIT", 1.0)
    machine.source(f"deb http://{silent.at}/mirror trixie main")
    with pytest.raises(VmError, match="takes longer than 1 s"):
        names("trixie")


@pytest.fixture
def with_kernel(machine, signer, tmp_path, tree):
    """A machine that has fetched the kernel, and whose archive is now unreachable."""
    server = Server(tree)
    machine.source(f"deb http://{server.at}/mirror trixie main")
    kernels.kernel("6.12")
    server.close()
    for stamp in (tmp_path / "cache").glob("apt/*/updated"):
        os.utime(stamp, (0, 0))


def test_a_cached_kernel_is_used_with_a_notice(with_kernel, capfd):
    assert kernels.kernel("6.12").packages["version"] == "6.12.1-1"
    assert "Connection refused); using the cached 6.12 kernel" in capfd.readouterr().err


def test_a_cached_kernel_is_used_when_its_successor_can_not_be_fetched(
    machine, signer, tmp_path, monkeypatch, capfd
):
    archives.debian(tmp_path / "www", signer, "trixie")
    machine.source(f"deb file:{tmp_path}/www trixie main")
    kernels.kernel("6.12")
    newer = "linux-image-6.12.2-cloud-amd64"
    archives.package(tmp_path / "www/pool", newer, {"boot/vmlinuz": archives.IMAGE}, "6.12.2-1")
    archives.publish(tmp_path / "www", "trixie", signer)
    next((tmp_path / "www/pool").glob(f"{newer}*.deb")).unlink()
    os.utime(Suite("trixie").directory / "updated", (0, 0))
    assert kernels.kernel("6.12").packages["version"] == "6.12.1-1"
    assert f"{newer} of Debian's suite trixie can not be fetched" in capfd.readouterr().err


# --- what the machine lacks ---------------------------------------------------------------------------------------


@pytest.fixture
def root(machine, tmp_path):
    """A root directory for the machine, below which packages are really installed."""
    root = tmp_path / "root"
    for made in (
        "var/lib/dpkg/updates",
        "var/lib/dpkg/info",
        "var/cache/apt/archives/partial",
        "var/lib/apt",
    ):
        (root / made).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    machine.configure(
        f'Dir::State "{root}/var/lib/apt"; Dir::State::status "{root}/var/lib/dpkg/status";',
        f'Dir::Cache "{root}/var/cache/apt"; Dir::Log "{root}"; DPkg::Options {{ "--root={root}"; "--force-all"; }};',
    )
    return root


@needs_root
@pytest.mark.parametrize("neighbour", ["unsigned", "not there", "refuses", "drops packets"])
def test_what_is_missing_is_installed_beside_broken_sources(neighbour, root, machine, server, silent):
    machine.source(NEIGHBOURS[neighbour].format(at=server.at, silent=silent.at))
    machine.source(f"deb http://{server.at}/mirror trixie main")
    said = []
    tools.install([KERNEL], lambda what, _: said.append(what))
    assert (root / "boot/vmlinuz-6.12.1-cloud-amd64").exists()
    assert list(dict.fromkeys(said)) == [
        "updating apt's lists of packages",
        f"fetching {KERNEL}",
        f"installing {KERNEL}",
    ]


@needs_root
def test_lists_that_are_out_of_date_are_updated(root, machine, signer, tmp_path):
    archives.debian(tmp_path / "www", signer, "trixie")
    machine.source(f"deb file:{tmp_path}/www trixie main")
    tools.install([KERNEL])
    archives.package(tmp_path / "www/pool", "newcomer", {"usr/newcomer": b""})
    archives.publish(tmp_path / "www", "trixie", signer)
    tools.install(["newcomer"])
    assert (root / "usr/newcomer").exists()


@needs_root
def test_why_nothing_could_be_installed_is_told_in_one_line(root, machine):
    machine.source("deb http://127.0.0.2:9/x trixie main")
    with pytest.raises(
        VmError, match=r"Unable to locate package sl; its lists .* Connection refused"
    ) as failure:
        tools.install(["sl"])
    assert "\n" not in str(failure.value)
