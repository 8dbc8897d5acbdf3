import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.errors import ConfigError, SourceNotFoundError
from ocft.storage import Collected, collect, collecting, safe_name
from ocft.wire import Manifest, ManifestFile, pack_manifest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a folder of six files in three folders."""
    for name in ("b.txt", "a.py", "sub/c.py", "sub/deep/d.txt", "sub-x/e.py", "Z.txt"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(name)
    return tmp_path / "tree"


def _names(*paths: Path, include: list[str] | None = None, exclude: list[str] | None = None) -> str:
    files = collect(paths, include=include or (), exclude=exclude or ()).files
    return " ".join(file.name for file in files)


def test_a_file_that_is_named_has_no_folder_before_it(tree: Path) -> None:
    collection = collect([tree / "sub" / "deep" / "d.txt", tree / "b.txt"])
    assert collection.files == (
        Collected(tree / "sub" / "deep" / "d.txt", "d.txt"),
        Collected(tree / "b.txt", "b.txt"),
    )


def test_the_files_of_a_folder_are_below_its_name_and_sorted(tree: Path) -> None:
    assert _names(tree) == (
        "tree/Z.txt tree/a.py tree/b.txt tree/sub/c.py tree/sub/deep/d.txt tree/sub-x/e.py"
    )
    assert all(file.path == tree.parent / file.name for file in collect([tree]).files)


def test_paths_are_relative_to_where_we_are(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "sub")
    assert _names(Path()) == "sub/c.py sub/deep/d.txt"
    assert _names(Path("deep/..")) == "sub/c.py sub/deep/d.txt"
    assert _names(Path("..", "b.txt")) == "b.txt"
    assert collect([Path("c.py")]).files[0].path == tree / "sub" / "c.py"


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        pytest.param(["*.py"], [], "a.py sub/c.py sub-x/e.py", id="include"),
        pytest.param([], ["*.py"], "Z.txt b.txt sub/deep/d.txt", id="exclude"),
        pytest.param(["*.py"], ["sub-x/"], "a.py sub/c.py", id="both"),
        pytest.param(["/tree/sub/"], [], "sub/c.py sub/deep/d.txt", id="a folder"),
        pytest.param([], ["*", "!*.py"], "a.py", id="folders that are left out are not entered"),
        pytest.param([], ["*.*", "!*.py"], "a.py sub/c.py sub-x/e.py", id="but not these"),
        pytest.param(["**/deep/*"], [], "sub/deep/d.txt", id="two stars"),
    ],
)
def test_patterns_are_those_of_gitignore(
    tree: Path, include: list[str], exclude: list[str], expected: str
) -> None:
    found = _names(tree, include=include, exclude=exclude)
    assert found == " ".join(f"tree/{name}" for name in expected.split())


def test_a_folder_that_is_left_out_need_not_be_readable_or_valid(tree: Path) -> None:
    (tree / "sub" / "nul").mkdir()
    (tree / "sub" / "nul" / "HEAD").touch()
    with pytest.raises(ConfigError, match="leave it out"):
        collect([tree])
    assert "nul" not in _names(tree, exclude=["nul/"])


@pytest.mark.parametrize("name", [".gitignore", "-rf", "~x"])  # N21
def test_what_is_hidden_or_looks_like_an_option_goes_inside_of_a_folder_only(
    tree: Path, name: str
) -> None:
    (tree / name).touch()
    assert f"{tree.name}/{name}" in [one.name for one in collect([tree]).files]
    assert _names(tree / name, tree / "b.txt") == f"_{name} b.txt"


def test_files_whose_safe_names_are_the_same_are_both_named(tmp_path: Path) -> None:
    for name in ("a:b", "a?b"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match="would have the same name") as caught:
        collect([tmp_path / "a:b", tmp_path / "a?b"])
    assert str(tmp_path / "a:b") in str(caught.value)
    assert str(tmp_path / "a?b") in str(caught.value)


@pytest.mark.parametrize("pattern", ["!", "\\"])
def test_a_pattern_that_is_none_is_refused(tree: Path, pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        collect([tree], include=[pattern])
    with pytest.raises(ConfigError, match="pattern"):
        collect([tree], exclude=[pattern])


def test_links_and_special_files_inside_a_folder_are_skipped(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "b.txt")
    (tree / "sub" / "loop").symlink_to(tree)
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    collection = collect([tree])
    assert len(collection.files) == 6
    assert set(collection.skipped) == {
        tree / name for name in ("link", "sub/loop", "dangling", "pipe")
    }


def test_a_link_that_is_named_is_followed(tree: Path) -> None:
    (tree.parent / "alias").symlink_to(tree / "sub")
    (tree.parent / "one.txt").symlink_to(tree / "b.txt")
    assert _names(tree.parent / "alias", tree.parent / "one.txt") == (
        "alias/c.py alias/deep/d.txt one.txt"
    )


@pytest.mark.parametrize("name", ["nothing", "tree/b.txt/below", "a\0b"])
def test_what_is_not_there_is_no_source(tree: Path, name: str) -> None:
    with pytest.raises(SourceNotFoundError):
        collect([tree.parent / name])


def test_nothing_to_send_is_an_error(tmp_path: Path) -> None:
    for paths in ([], [tmp_path]):
        with pytest.raises(SourceNotFoundError, match="no file to send"):
            collect(paths)


def test_the_root_has_no_name() -> None:
    with pytest.raises(ConfigError, match="no name of its own"):
        collect([Path("/")])


def test_a_path_that_is_named_twice_is_refused(tree: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tree / 'b.txt'} was named twice"):
        collect([tree / "b.txt", tree / "b.txt"])
    with pytest.raises(ConfigError, match="twice"):
        collect([tree, tree])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("x/a.txt", "y/a.txt", id="equal"),
        pytest.param("x/a.txt", "y/A.TXT", id="case"),
        pytest.param("x/stra\u00dfe", "y/STRASSE", id="case folding"),
        pytest.param("x/\u00e9", "y/e\u0301", id="composed"),
        pytest.param("x/\ufb01", "y/fi", id="NFKC"),
        pytest.param("x/a", "y/a/b", id="a file and a folder"),
        pytest.param("x/A", "y/a/b/c", id="a file and a folder in another case"),
    ],
)
@pytest.mark.parametrize("is_turned", [False, True])
def test_names_that_a_receiver_cannot_tell_apart_are_refused(  # R-MAN-2
    tmp_path: Path, one: str, other: str, *, is_turned: bool
) -> None:
    for name in (one, other):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    tops = [tmp_path.joinpath(*Path(name).parts[:2]) for name in (one, other)]
    with pytest.raises(ConfigError, match="would have the same name") as caught:
        collect(tops[::-1] if is_turned else tops)
    assert str(tmp_path / one) in str(caught.value)
    assert str(tmp_path / other) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("..hidden", id="hidden twice"),
        pytest.param("a:b", id="N3-drive"),
        pytest.param("a\\b", id="N1-backslash"),
        pytest.param("\x1b[1A", id="N11"),
        pytest.param("a\u200bb", id="N13"),
        pytest.param("nul.txt", id="N15"),
        pytest.param("dot.", id="N17"),
        pytest.param("bad\udcff", id="N19"),
        pytest.param("\uff0fx", id="N7"),
        pytest.param("x" * 201, id="too long"),
    ],
)
def test_a_name_that_not_every_receiver_can_save_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "top" / "sub").mkdir(parents=True)
    (tmp_path / "top" / "sub" / name).touch()
    with pytest.raises(ConfigError, match="Rename it, or leave it out") as caught:
        collect([tmp_path / "top"])
    assert str(caught.value).isprintable()
    # Named by itself it goes under a name that everybody can save.
    (file,) = collect([tmp_path / "top" / "sub" / name]).files
    assert (file.path.name, file.name) == (name, safe_name(name))


def test_a_decomposed_name_is_composed_on_the_wire(tmp_path: Path) -> None:
    (tmp_path / "e\u0301.txt").touch()
    (file,) = collect([tmp_path / "e\u0301.txt"]).files
    assert (file.name, file.path.name) == ("\u00e9.txt", "e\u0301.txt")


@pytest.mark.parametrize("parts", [["d"] * 40, ["x" * 190] * 6])
def test_a_tree_that_is_too_deep_or_too_long_is_refused(tmp_path: Path, parts: list[str]) -> None:
    folder = tmp_path.joinpath("top", *parts)
    folder.mkdir(parents=True)
    (folder / "file").touch()
    with pytest.raises(ConfigError):
        collect([tmp_path / "top"])


def test_too_many_files_are_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MAX_FILES", 5)  # R-MAN-1
    with pytest.raises(ConfigError, match="more than 5 files"):
        collect([tree])
    assert len(collect([tree], exclude=["Z.txt"]).files) == 5


def _refuses(files: list[Collected]) -> bool:
    try:
        collecting._refuse_collisions(files)
    except ConfigError:
        return True
    return False


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b", "A/c"],
        ["a/b", "a/c", "A/d"],
        ["a/b", "b"],
        ["\u0130", "i\u0307"],
        ["\u1e9e", "ss"],
        ["\u03c2", "\u03c3"],
        ["a/b/c", "a/B"],
        ["abc", "ab", "a"],
    ],
)
def test_names_collide_here_exactly_when_they_do_for_the_receiver(names: list[str]) -> None:
    manifest = Manifest(tuple(ManifestFile(name, 0, bytes(32), None, False) for name in names))
    does_collide = _refuses([Collected(Path("/", name), name) for name in names])
    pack: Callable[[Manifest], bytes] = pack_manifest
    try:
        pack(manifest)
    except Exception:  # noqa: BLE001 - whatever it is
        assert does_collide
    else:
        assert not does_collide


def test_all_names_that_not_every_receiver_can_save_are_named(tmp_path: Path) -> None:
    for name in ("ok.txt", "a:b", "sub/CON.txt", "bad?/one", "bad?/two"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(ConfigError) as caught:
        collect([tmp_path / "folder"])
    said = str(caught.value)
    assert said.startswith("3 files and folders")
    for wrong in ("folder/a:b'", "folder/sub/CON.txt'", "folder/bad?'"):
        assert wrong in said
    assert "ok.txt" not in said
    for number in range(30):
        (tmp_path / "folder" / f"{number}:").touch()
    with pytest.raises(ConfigError, match="and 13 more"):
        collect([tmp_path / "folder"])
    assert len(collect([tmp_path / "folder"], exclude=["*:*", "CON*", "bad?"]).files) == 1
