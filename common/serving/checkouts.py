"""Another state of a repository: a directory that is there, or a revision's files in a temporary one, unknown to the repository."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.cli import UsageError, typed_path
from common.serving import folders
from common.serving.places import ROOT
from common.serving.scenario import Scenario

GIT_SECONDS = 600.0  # a large repository is written anew


def repository_of(scenario: Scenario) -> Path:
    """Ours, or that of the project it serves."""
    if not scenario.project:
        return ROOT
    done = git(scenario.folder, "rev-parse", "--show-toplevel")
    return Path(done.stdout.strip()) if done.returncode == 0 else scenario.folder


@contextmanager
def checkout(where: str, repository: Path = ROOT) -> Iterator[Path]:
    folder = typed_path(where)
    if where and folder.is_dir() and not is_revision(repository, where):  # an app of that name is no checkout
        yield folder.resolve()
        return
    with folders.temporary() as temporary:
        tree, index = temporary.resolve() / "before", temporary / "index"
        for words in (["read-tree", where], ["checkout-index", "--all", f"--prefix={tree}/"]):
            done = git(repository, *words, index=index)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["git said nothing"])[-1]
                whose = "this repository" if repository == ROOT else str(repository)
                raise UsageError(f"--against {where}: neither a directory nor a revision of {whose}: {reason}")
        if repository != ROOT:
            bring_untracked(repository, tree)
        yield tree


def is_revision(repository: Path, name: str) -> bool:
    return git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{tree}}").returncode == 0


def bring_untracked(repository: Path, tree: Path) -> None:
    """A site may need what git does not keep: a database, local settings, collected files."""
    for name in git(repository, "ls-files", "-z", "--others", "--directory").stdout.split("\0"):
        source, copy = repository / name, tree / name
        if name and not os.path.lexists(copy) and copy.parent.is_dir():
            if source.is_dir() or source.is_symlink():
                copy.symlink_to(source.resolve())
            else:
                with suppress(OSError):  # nobody may read it, or it has gone meanwhile: the site says if it needs it
                    shutil.copy(source, copy)


def project_in(tree: Path, scenario: Scenario, repository: Path) -> Path:
    """The folder of the same project in the other checkout, which may itself be that folder."""
    return tree if (tree / "manage.py").is_file() else tree / scenario.folder.resolve().relative_to(repository.resolve())


def git(repository: Path, *words: str, index: Path | None = None) -> subprocess.CompletedProcess[str]:
    """With an index of its own, git changes nothing in the repository."""
    own = {"GIT_INDEX_FILE": str(index)} if index else {}
    try:
        return subprocess.run(
            ["git", *words], cwd=repository, env={**os.environ, **own}, capture_output=True, text=True, timeout=GIT_SECONDS
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, 1, "", "git is not installed")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"git {words[0]} did not end within {GIT_SECONDS:g} s")
