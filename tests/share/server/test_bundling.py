"""The page's modules, joined."""

import shutil
import subprocess

import pytest

from ocft.share.server.bundling import bundle
from ocft.share.server.page_files import page_files


def run(script: str) -> str:
    """Run a module in Node, if it is there, and return what it prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node")
    done = subprocess.run(
        [node, "--input-type=module", "-"],
        input=script.encode(),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert not done.returncode, done.stderr.decode()
    return done.stdout.decode()


MODULES = {
    "main.js": 'import { one, Two as Other } from "./a.js";\nimport {\n  three,\n} from "./b.js";\n'
    "const own = 40;\nconsole.log(one(), new Other().value, await1(three), own);\n"
    "function await1(call) {\n  return typeof call;\n}\n",
    "a.js": 'import { three } from "./b.js";\nconst own = 1;\n'
    "export function one() {\n  return own + 0;\n}\n"
    "export class Two {\n  value = three.length;\n}\n",
    "b.js": 'const own = 2;\nconsole.log("b once");\nexport async function three(a, b) {}\n'
    "export const FOUR = own;\n",
}


def test_a_bundle_does_what_the_modules_do() -> None:
    assert run(bundle(MODULES, "main.js")) == "b once\n1 2 function 40\n"


def test_a_module_that_is_not_imported_is_left_out() -> None:
    joined = bundle(MODULES | {"other.js": "console.log('other')"}, "main.js")
    assert "other" not in joined


@pytest.mark.parametrize(
    "text",
    [
        'import x from "./b.js";',
        'import * as x from "./b.js";',
        'import "./b.js";',
        "export default 1;",
        "export let changing = 1;",
        "const a = 1;\nexport { a };",
        'import { a } from "https://elsewhere.example/b.js";',
    ],
)
def test_what_cannot_be_joined_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"main\.js cannot be joined"):
        bundle(MODULES | {"main.js": text}, "main.js")


def test_circles_are_refused() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";\nexport const a = 1;',
        "b.js": 'import { a } from "./a.js";\nexport const b = 1;',
    }
    with pytest.raises(ValueError, match="imports itself"):
        bundle(modules, "a.js")


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no c\.js"):
        bundle({"a.js": 'import { c } from "./c.js";'}, "a.js")


@pytest.mark.parametrize("entry", ["page.js", "worker.js"])
def test_the_page_has_two_scripts_that_import_nothing(entry: str) -> None:
    joined = page_files()[entry].data.decode()
    assert not [line for line in joined.splitlines() if line.startswith(("import", "export"))]
    # Read, and found to be a module; it is run in tests/browser.
    assert run(f"const read = async () => {{\n{joined}\n}};\nconsole.log('read');") == "read\n"
