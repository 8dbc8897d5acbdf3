"""The adapters that come with OCFT are listed wherever adapters are."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ocft.channels import Adapter

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.name.removeprefix("ocft_") for path in ROOT.glob("adapters/ocft_*"))
SDKS = {"aiohttp", "discord", "httpx", "slack_sdk", "telegram"}


@pytest.fixture(name="settings", scope="module")
def _settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_adapters_agree(settings: dict[str, Any]) -> None:
    packages = [f"ocft_{name}" for name in NAMES]
    project, tool = settings["project"], settings["tool"]
    wheel = tool["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert wheel == ["ocft", *(f"adapters/{package}" for package in packages)]
    entry_points = {"local": "ocft.channels.local:ADAPTER"}
    entry_points |= {name: f"ocft_{name}:ADAPTER" for name in NAMES}
    assert project["entry-points"]["ocft.adapters"] == entry_points
    assert set(NAMES) <= set(project["optional-dependencies"])
    assert f"ocft[{','.join(NAMES)}]" in project["optional-dependencies"]["dev"]
    assert "adapters" in tool["mypy"]["files"]
    assert "adapters" in tool["mypy"]["mypy_path"].split(":")
    assert "adapters" in tool["ruff"]["src"]
    assert tool["importlinter"]["root_packages"] == ["ocft", *packages]
    contracts = {one["name"].partition(":")[0]: one for one in tool["importlinter"]["contracts"]}
    assert contracts["Adapters stand beside"]["source_modules"] == packages
    assert set(packages) < set(contracts["The library knows no platform"]["forbidden_modules"])


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_has_all_that_belongs_to_it(name: str) -> None:
    adapter = importlib.import_module(f"ocft_{name}").ADAPTER
    assert isinstance(adapter, Adapter)
    assert (adapter.name, adapter.extra) == (name, name)
    assert adapter.check is not None
    for path in (f"docs/setup-{name}.md", f"examples/{name}_bot.py"):
        assert (ROOT / path).is_file()
        assert path in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "tests" / "emulators" / name / "__main__.py").is_file()
    assert list(ROOT.glob(f"tests/adapters/test_{name}*.py"))


def test_importing_the_adapters_loads_no_sdk() -> None:
    imports = ", ".join(f"ocft_{name}" for name in NAMES)
    code = f"import sys, {imports}; print({SDKS!r} & sys.modules.keys())"
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip() == "set()"


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_where_a_token_is_named_is_not_shown(name: str) -> None:
    module = importlib.import_module(f"ocft_{name}.options")
    models = [
        one for one in vars(module).values() if isinstance(one, type) and issubclass(one, BaseModel)
    ]
    fields = [
        field
        for model in models
        for called, field in model.model_fields.items()
        if called.endswith("token")
    ]
    assert fields
    assert not any(field.repr for field in fields)  # somebody may have put the token itself there


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_an_adapter_look_for_tokens_in_the_log(name: str) -> None:
    tests = "".join(
        path.read_text(encoding="utf-8") for path in ROOT.glob(f"tests/adapters/test_{name}*.py")
    )
    assert "caplog.set_level" in tests
    assert re.search(r"def test_(the_token_is|tokens_are)_in_no_", tests)
