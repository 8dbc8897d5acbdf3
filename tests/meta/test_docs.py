"""The documentation says what the code does."""

import re
from pathlib import Path

import pytest

from ocft.events import EVENTS
from tests.meta import draw_states

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_bot_in_the_readme_is_the_example_that_runs() -> None:
    example = read("examples/bot.py").split("\n", 2)[2].strip()
    assert f"```python\n{example}\n```" in read("README.md")


def test_ci_runs_the_commands_of_the_readme() -> None:
    for command in ("pip install .", "ocft demo", "pip install -e '.[dev]'", "pytest"):
        assert command in read("README.md")
    script = read(".ci/run")
    assert "pip install -q . && ocft demo" in script
    assert "pip install -q -e '.[dev]' && pytest" in script


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_in_the_library_guide(name: str) -> None:
    assert f"`{name}`" in read("docs/library.md")


def test_the_state_pictures_are_drawn_from_the_tables() -> None:
    assert draw_states.PAGE.read_text(encoding="utf-8") == draw_states.page()


def page_file(name: str) -> str:
    return read(f"ocft/share/page/{name}")


def test_what_programs_find_in_the_page_is_documented() -> None:
    found = set(re.findall(r'data-testid="([^"]+)"', page_file("index.html")))
    codes = re.search(r"const WORDS = {(.*?)\n};", page_file("errors.js"), re.DOTALL)
    state = re.search(r"let current = {(.*?)\n};", page_file("state.js"), re.DOTALL)
    assert codes
    assert state
    found |= set(re.findall(r"^  ([A-Z_]+):", codes[1], re.MULTILINE)) - {"CANCELLED"}
    found |= set(re.findall(r"^  (\w+):", state[1], re.MULTILINE))
    assert len(found) > 50
    page = read("docs/share-page.md")
    assert {one for one in found if f"`{one}`" not in page} == set()


def test_requirements_that_are_cited_exist() -> None:
    pages = read("docs/protocol.md") + read("docs/share-protocol.md")
    known = set(re.findall(r"\*\*(R-[A-Z]+-\d+)\*\*", pages))
    sources = [*ROOT.glob("ocft/**/*.py"), *ROOT.glob("tests/**/*.py")]
    cited = {
        one
        for path in sources
        for one in re.findall(r"\bR-[A-Z]{3}-\d+\b", path.read_text(encoding="utf-8"))
    }
    assert cited
    assert cited <= known


@pytest.mark.parametrize(
    "page",
    sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]),
    ids=lambda page: page.name,
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
