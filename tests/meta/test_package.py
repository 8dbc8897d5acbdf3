"""Promises about the package as a whole."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import ocft

PACKAGES = ["ocft"] + [
    f"ocft.{module.name}" for module in pkgutil.iter_modules(ocft.__path__) if module.ispkg
]
HEAVY = ("asyncio", "pydantic", "sqlite3", "typer", "rich", "watchfiles", "platformdirs")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_front_door_names_only_what_is_there(name: str) -> None:
    package = importlib.import_module(name)
    names = package.__all__
    assert len(names) == len(set(names))
    for public in names:
        assert getattr(package, public) is not None


@pytest.mark.parametrize("name", PACKAGES[1:])
def test_what_is_public_is_documented(name: str) -> None:
    package = importlib.import_module(name)
    for public in package.__all__:
        value = getattr(package, public)
        if callable(value) and getattr(value, "__module__", "").startswith("ocft"):
            assert value.__doc__, f"{name}.{public} has no docstring"


def test_importing_ocft_loads_nothing_heavy() -> None:
    code = f"import sys, ocft; print([name for name in {HEAVY!r} if name in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip() == "[]"


def test_a_public_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nope"):
        ocft.Nope  # type: ignore[attr-defined]  # noqa: B018
    assert "TransferManager" in dir(ocft)
