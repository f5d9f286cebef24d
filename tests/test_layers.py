"""Imports point one way: the layers as data, held against every import there is, those inside functions too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import contacts_mcp

# The rooms in order: each may import what stands before it, and nothing else of ours.
ROOMS = (
    "__init__",
    "errors",
    "words",
    "models",
    "config",
    "accounts",
    "state",
    "api",
    "book",
    "sandbox",
    "shared",
    "workspace",
    "server",
    "setup",
    "cli",
    "__main__",
)

# The same inside `book`; the modules of one group may import each other.
BOOK = (
    "fields",
    "values",
    "vocabulary confirmations cursors",
    "cards",
    "book",
    "writing listing",
    "people search",
    "history transfer",
    "__init__",
)

# A room that imports nothing of ours.
ALONE = ("__init__", "errors", "sandbox")

# The modules that speak the protocol. All others, the tools among them, work without it: `contacts-mcp call` does.
PROTOCOL = (
    "server/server server/asking server/lines server/stdio server/view/__init__ "
    "server/identity server/gate server/hosting"
)

# Other people's packages that only some rooms or modules may import.
KEPT_TO = {
    "httpx": "api sandbox",
    "httpx2": "",
    "jwt": "api server/identity",
    "sse_starlette": "server/http",
    "mcp": PROTOCOL,
    "mcp_types": f"{PROTOCOL} server/telemetry",
    "opentelemetry": "server/seeing server/telemetry",
    "prometheus_client": "server/telemetry",
    "phonenumbers": "words",
    "python_calamine": "book/transfer/sources/sheet",
    "xlsxwriter": "book/transfer/formats",
    "rapidfuzz": "words",
    "anyascii": "words",
    "psycopg": "state",
    "psycopg_pool": "state",
    "pydantic_settings": "config",
    "click": "cli setup",
    "redis": "state/redis",
}

HERE = Path(contacts_mcp.__file__).parent
MODULES = {
    path.relative_to(HERE).with_suffix("").as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in HERE.rglob("*.py")
}


def part_of(module: str) -> str:
    """`book/create` and `contacts_mcp.book.people.create` -> `book`."""
    return module.removeprefix("contacts_mcp").strip("./").replace(".", "/").split("/")[0] or "__init__"


def imports(module: str) -> Iterator[str]:
    """Full dotted names of everything a module imports, wherever it does."""
    package = ["contacts_mcp", *module.split("/")][:-1]
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package[: len(package) + 1 - node.level], *filter(None, [node.module])])
                if node.level
                else node.module or ""
            )
            # `from contacts_mcp.book import cards` is an import of the module contacts_mcp.book.cards
            yield from (f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base for alias in node.names)


def is_ours(name: str) -> bool:
    return name == "contacts_mcp" or name.startswith("contacts_mcp.")


def is_module(name: str) -> bool:
    path = name.removeprefix("contacts_mcp.").replace(".", "/")
    return is_ours(name) and (path in MODULES or f"{path}/__init__" in MODULES)


def group_of(module: str) -> int:
    """The place in `BOOK` of a module of the book."""
    inside = (
        module.removeprefix("contacts_mcp.").replace(".", "/").removeprefix("book").strip("/").split("/")[0]
        or "__init__"
    )
    return next(at for at, group in enumerate(BOOK) if inside in group.split())


def test_every_module_has_its_room() -> None:
    assert {part_of(module) for module in MODULES} == {*ROOMS}


def test_every_module_of_the_book_has_its_place() -> None:
    assert all(group_of(module) >= 0 for module in MODULES if part_of(module) == "book")


def test_a_module_imports_only_rooms_that_come_before_its_own() -> None:
    ours = [(module, part_of(name)) for module in MODULES for name in imports(module) if is_ours(name)]
    assert [(module, room) for module, room in ours if ROOMS.index(room) > ROOMS.index(part_of(module))] == []


def test_some_rooms_import_nothing_of_ours() -> None:
    ours = [(module, part_of(name)) for module in MODULES for name in imports(module) if is_ours(name)]
    assert [(module, room) for module, room in ours if part_of(module) in ALONE and room != part_of(module)] == []


def test_inside_the_book_imports_go_one_way() -> None:
    inside = [
        (module, name)
        for module in MODULES
        if part_of(module) == "book"
        for name in imports(module)
        if part_of(name) == "book"
    ]
    package = {"contacts_mcp.book"}  # taking a name from the package itself would be an import of everything
    assert [(module, name) for module, name in inside if name in package or group_of(name) > group_of(module)] == []


def test_a_module_imports_nothing_that_is_kept_to_others() -> None:
    foreign = [(module, name.split(".")[0]) for module in MODULES for name in imports(module) if not is_ours(name)]
    assert [
        (module, name)
        for module, name in foreign
        if name in KEPT_TO and not {module, part_of(module)} & {*KEPT_TO[name].split()}
    ] == []


def test_every_place_that_a_package_is_kept_to_exists() -> None:
    places = {place for kept in KEPT_TO.values() for place in kept.split()}
    assert places - {*ROOMS} - MODULES.keys() == set()


def test_only_config_reads_the_environment() -> None:
    assert [
        module
        for module, tree in MODULES.items()
        if module != "config" and words(tree) & {"environ", "environb", "getenv", "getenvb"}
    ] == []


def words(tree: ast.AST) -> set[str]:
    """Attributes read, and names imported from elsewhere."""
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_the_walk_sees_every_way_to_import() -> None:
    """The tests above are worth nothing if `imports` overlooks something."""
    source = (
        "from . import cards\nfrom .book import x\nfrom .. import config\n"
        "from contacts_mcp import errors, __version__\ndef f():\n    import httpx.z"
    )
    MODULES["book/probe"] = ast.parse(source)
    try:
        assert list(imports("book/probe")) == [
            "contacts_mcp.book.cards",
            "contacts_mcp.book.book",
            "contacts_mcp.config",
            "contacts_mcp.errors",
            "contacts_mcp",
            "httpx.z",
        ]
    finally:
        del MODULES["book/probe"]
