"""Imports point one way: the house of the design as data, held against every import there is, also those inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import contacts_mcp

# Each part, and the parts before it that it may import.
HOUSE = {
    "__init__": "",
    "errors": "",
    "text": "",
    "sandbox": "",
    "phones": "errors text",
    "names": "errors text",
    "models": "phones",
    "config": "errors phones",
    "api": "__init__ config errors models",
    "book": "api errors models names phones text",
    "tools": "book errors text",
    "prompt_files": "errors text",
    "resources": "book errors text tools",
    "asking": "",
    "wiring": "api book config errors sandbox",
    "boundary": "asking config errors text tools wiring",
    "server": "__init__ boundary config errors prompt_files resources text tools wiring",
    "clients": "",
    "config_files": "errors",
    "install": "clients config config_files errors",
    "doctor": "__init__ api clients config config_files errors install sandbox",
    "shell": "config server tools",
    "stdio": "",
    "loopback": "",
    "cli": "__init__ book clients config doctor errors install loopback sandbox server shell stdio",
    "__main__": "cli",
}

# What only some parts may import.
KEPT_TO = {
    "httpx": "api doctor sandbox wiring",
    "httpx2": "",
    "mcp": "asking boundary prompt_files resources server shell tools",
    "mcp_types": "asking boundary prompt_files resources server shell tools",
    "phonenumbers": "phones",
    "pydantic_settings": "config",
    "click": "cli shell",
}

HERE = Path(contacts_mcp.__file__).parent
MODULES = {path.relative_to(HERE).with_suffix("").as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in HERE.rglob("*.py")}


def part_of(module: str) -> str:
    """`book/create` and `contacts_mcp.book.create` -> `book`."""
    return module.removeprefix("contacts_mcp").strip("./").replace(".", "/").split("/")[0] or "__init__"


def imports(module: str) -> Iterator[str]:
    """Full dotted names of everything a module imports, wherever it does."""
    package = ["contacts_mcp", *module.split("/")][:-1]
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) + 1 - node.level], *filter(None, [node.module])]) if node.level else node.module or ""
            is_ours = base == "contacts_mcp"  # `from contacts_mcp import names` is an import of contacts_mcp.names
            yield from (f"{base}.{alias.name}" if is_ours and part_of(alias.name) in HOUSE else base for alias in node.names)


def is_ours(name: str) -> bool:
    return name == "contacts_mcp" or name.startswith("contacts_mcp.")


def test_every_module_has_its_place() -> None:
    assert {part_of(module) for module in MODULES} <= HOUSE.keys()


def test_the_house_has_no_cycle() -> None:
    parts = list(HOUSE)
    assert [(part, other) for at, part in enumerate(parts) for other in HOUSE[part].split() if other not in parts[:at]] == []


def test_a_module_imports_only_what_comes_before_it() -> None:
    ours = [(module, part_of(name)) for module in MODULES for name in imports(module) if is_ours(name)]
    assert [(module, part) for module, part in ours if part not in {part_of(module), *HOUSE[part_of(module)].split()}] == []


def test_a_module_imports_nothing_that_is_kept_to_others() -> None:
    foreign = [(module, name.split(".")[0]) for module in MODULES for name in imports(module) if not is_ours(name)]
    assert [(module, name) for module, name in foreign if name in KEPT_TO and part_of(module) not in KEPT_TO[name].split()] == []


def test_only_config_reads_the_environment() -> None:
    assert [
        module for module, tree in MODULES.items() if module != "config" and words(tree) & {"environ", "environb", "getenv", "getenvb"}
    ] == []


def words(tree: ast.AST) -> set[str]:
    """Attributes read, and names imported from elsewhere."""
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes | {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_the_walk_sees_every_way_to_import() -> None:
    """The tests above are worth nothing if `imports` overlooks something."""
    source = (
        "from . import a\nfrom .b import x\nfrom .. import c\nfrom contacts_mcp import errors, __version__\ndef f():\n    import httpx.z"
    )
    MODULES["book/probe"] = ast.parse(source)
    try:
        assert list(imports("book/probe")) == [
            "contacts_mcp.book",
            "contacts_mcp.book.b",
            "contacts_mcp",
            "contacts_mcp.errors",
            "contacts_mcp",
            "httpx.z",
        ]
    finally:
        del MODULES["book/probe"]
