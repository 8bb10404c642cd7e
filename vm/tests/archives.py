# SPDX-License-Identifier: GPL-2.0-or-later
"""Small archives for apt, with real signatures and real servers, and an apt configured with them."""

from __future__ import annotations

import base64
import hashlib
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KERNEL = "linux-image-6.12.1-cloud-amd64"

IMAGE = b"HdrS".rjust(0x206, b"\0").ljust(0x4000, b"\0")
"""The beginning of a boot image, enough to be recognised."""


@dataclass
class Signer:
    """A temporary key, and the keyring with it."""

    home: Path

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o700)
        self._gpg("--passphrase", "", "--quick-generate-key", "fapitest", "ed25519", "sign", "never")
        self.keyring = self.home / "keyring.gpg"
        self.keyring.write_bytes(self._gpg("--export"))

    def _gpg(self, *options: str) -> bytes:
        command = ["gpg", "--batch", "--quiet", "--homedir", str(self.home), *options]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def sign(self, release: Path) -> None:
        self._gpg("--yes", "--clearsign", "--output", str(release.with_name("InRelease")), str(release))

    def close(self) -> None:
        """Stop gpg's agent."""
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=True)


def package(directory: Path, name: str, files: dict[str, bytes], version: str = "6.12.1-1") -> None:
    """Build a Debian package."""
    tree = directory.with_name(f"{name}.tree")
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    (tree / "DEBIAN").mkdir(parents=True)
    fields = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "x <x@example.org>"}
    control = "".join(f"{key}: {value}\n" for key, value in fields.items())
    (tree / "DEBIAN" / "control").write_text(f"{control}Description: for tests\n")
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", tree, directory], check=True, capture_output=True
    )


def publish(
    root: Path,
    suite: str,
    signer: Signer | None,
    origin: str = "Debian",
    label: str | None = None,
    **more: str,
) -> None:
    """Make a suite with all packages of the archive `root`; sign it if there is a signer."""
    stanzas = []
    for deb in sorted(root.glob("pool/*.deb")):
        control = subprocess.run(
            ["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True
        ).stdout
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        stanzas.append(f"{control}Filename: pool/{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n")
    listed = "\n".join(stanzas).encode()
    name = "main/binary-amd64/Packages"
    place = root / "dists" / suite
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(listed)
    fields = {
        "Origin": origin,
        "Label": label or ("Debian-Security" if suite.endswith("-security") else origin),
        "Codename": suite,
        "Date": "Thu, 01 Jan 2026 00:00:00 UTC",
        "Architectures": "amd64",
        "Components": "main",
        **more,
        "SHA256": f"\n {hashlib.sha256(listed).hexdigest()} {len(listed)} {name}",
    }
    release = place / "Release"
    release.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    if signer:
        signer.sign(release)


def debian(root: Path, signer: Signer, *suites: str) -> None:
    """Make an archive like Debian's, with one kernel in each of its suites."""
    package(root / "pool", KERNEL, {"boot/vmlinuz-6.12.1-cloud-amd64": IMAGE})
    for suite in suites:
        publish(root, suite, signer)


class Handler(SimpleHTTPRequestHandler):
    """Serves files, also as a proxy; records every request; may require a password."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        wanted = server.password and f"Basic {base64.b64encode(server.password.encode()).decode()}"
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_error(401)
            return
        self.path = urlsplit(self.path).path
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Server(ThreadingHTTPServer):
    """An HTTP server of a directory, on a new port."""

    def __init__(self, directory: Path, password: str = "") -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
        self.asked: list[str] = []
        self.password = password
        self.at = f"127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class Silent:
    """A port that accepts connections and never answers; apt cannot tell that it is on this host."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.2", 0), backlog=64)
        self._socket.setblocking(False)  # noqa: FBT003  the name is the socket's
        self.at = "{}:{}".format(*self._socket.getsockname())
        self._taken: list[socket.socket] = []

    def callers(self) -> int:
        """How many have connected so far."""
        while True:
            try:
                self._taken.append(self._socket.accept()[0])
            except BlockingIOError:
                return len(self._taken)

    def close(self) -> None:
        for taken in [*self._taken, self._socket]:
            taken.close()


@dataclass
class Machine:
    """A machine's apt whose lists were never fetched."""

    root: Path
    lists: Path = field(init=False)

    def __post_init__(self) -> None:
        self.lists = self.root / "lists"
        for made in (self.lists / "partial", self.root / "parts"):
            made.mkdir(parents=True)
        self.configuration = self.root / "apt.conf"
        self.configure(
            'Dir::Etc::sourcelist "/dev/null";',
            f'Dir::Etc::sourceparts "{self.root}/parts";',
            f'Dir::State::lists "{self.lists}";',
        )

    def configure(self, *lines: str) -> None:
        with self.configuration.open("a") as content:
            content.write("".join(f"{line}\n" for line in lines))

    def source(self, *lines: str, form: str = "list") -> None:
        name = f"{len(list((self.root / 'parts').iterdir()))}.{form}"
        (self.root / "parts" / name).write_text("".join(f"{line}\n" for line in lines))
