import importlib.metadata
from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from ocft.channels import Adapter, Channel, adapter_names, find_adapter
from ocft.channels.local import ADAPTER as LOCAL
from ocft.errors import AdapterNotInstalledError, ChannelError, UnknownAdapterError


async def _open(node_id: str, options: Mapping[str, object]) -> Channel:
    raise NotImplementedError


ADAPTER = Adapter(name="other", summary="Another one.", extra=None, open=_open)


def _install(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    installed = EntryPoints(
        EntryPoint(name=name, value=value, group="ocft.adapters") for name, value in targets.items()
    )

    def entry_points(*, group: str) -> EntryPoints:
        return installed.select(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def test_an_adapter_is_found_by_the_name_of_its_entry_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _install(monkeypatch, local="ocft.channels.local:ADAPTER")
    assert find_adapter("local") is LOCAL


def test_the_names_are_sorted_and_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, telegram="no_such_module:ADAPTER", local="ocft.channels.local:ADAPTER")
    assert adapter_names() == ["local", "telegram"]


def test_an_unknown_name_is_answered_with_those_that_are_close_and_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _install(monkeypatch, telegram="a:b", local="c:d")
    with pytest.raises(UnknownAdapterError, match=r"Did you mean telegram\?.*local, telegram"):
        find_adapter("telegran")
    with pytest.raises(UnknownAdapterError, match=r"'zzz'\. Installed adapters: local, telegram"):
        find_adapter("zzz")


def test_without_any_adapter_the_answer_says_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch)
    with pytest.raises(UnknownAdapterError, match="Installed adapters: none"):
        find_adapter("local")


def test_a_missing_sdk_is_answered_with_the_extra_to_install_and_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _install(monkeypatch, telegram="no_such_module_for_ocft:ADAPTER")
    with pytest.raises(AdapterNotInstalledError, match=r"pip install 'ocft\[telegram\]'") as caught:
        find_adapter("telegram")
    assert isinstance(caught.value.__cause__, ImportError)
    assert "no_such_module_for_ocft" in str(caught.value)


@pytest.mark.parametrize("value", ["ocft.channels.local:NOPE", "ocft.channels.local:LocalChannel"])
def test_an_entry_point_that_is_no_adapter_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    _install(monkeypatch, broken=value)
    with pytest.raises(ChannelError, match=r"entry point.*'broken'"):
        find_adapter("broken")
