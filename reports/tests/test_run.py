# SPDX-License-Identifier: GPL-2.0-or-later
import threading
from pathlib import Path

import pytest

from reports import run


def test_runs_that_start_at_once_have_directories_of_their_own(tmp_path: Path) -> None:
    made: list[Path] = []
    threads = [threading.Thread(target=lambda: made.append(run.new(tmp_path / "out"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20
    assert all(directory.is_dir() for directory in made)


def test_latest_is_replaced(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / run.RESULTS).touch()
        run.point_latest_at(tmp_path / name)
        assert run.find(run.LATEST, tmp_path) == tmp_path / name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "latest"]
    assert run.runs(tmp_path) == [tmp_path / "a", tmp_path / "b"]


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / run.RESULTS).touch()
    assert run.find("a", tmp_path) == run.find(str(tmp_path / "a"), tmp_path / "elsewhere") == tmp_path / "a"


def test_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(run.NoSuchRunError, match="no run nowhere: neither"):
        run.find("nowhere", tmp_path)


@pytest.mark.parametrize("kernel", ["6.12", "7.2-rc1+", "my_kernel"])
def test_a_kernels_directory_has_its_name(kernel: str) -> None:
    assert run.kernel_directory(Path("run"), kernel) == Path("run", kernel)


def test_kernels_with_odd_names_have_directories_of_their_own_in_the_run(tmp_path: Path) -> None:
    odd = [
        "",
        ".",
        "..",
        "../../etc",
        "a/b",
        "a_b",
        "a b",
        "/",
        "-x",
        ".hidden",
        "\0",
        "\n",
        "\udcff",
        "é",
        "x" * 5000,
    ]
    made = {run.kernel_directory(tmp_path, kernel) for kernel in odd}
    assert len(made) == len(odd)
    for directory in made:
        directory.mkdir()
        assert directory.parent == tmp_path


def test_a_file_is_replaced_whole_or_not_at_all(tiny: Path) -> None:
    path = tiny / "junit.xml"
    run.replace_file(path, b"old")
    with pytest.raises(OSError, match="No space left"):
        run.replace_file(path, b"x" * 100_000)
    assert path.read_bytes() == b"old"
    assert list(tiny.iterdir()) == [path]
