"""The names that guessers give to tools and parameters: of other servers, of the API behind, and our own old ones.

A wrong name is refused with the right one. It is never obeyed, because the guess may have meant something else. A tool
or parameter that is renamed leaves its old name here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from contacts_mcp.words.folding import snake as _folded

TOOLS: Mapping[str, str] = {
    old: new
    for new, all_old in {
        "create_contact": "add_contact new_contact insert_contact save_contact upsert_contact",
        "lookup_contact": "get_contact find_contact read_contact show_contact fetch_contact retrieve_contact "
        "get_contact_by_phone",
        "update_contact": "edit_contact change_contact modify_contact patch_contact set_contact tag_contact "
        "assign_contact opt_out_contact",
        "delete_contact": "remove_contact erase_contact archive_contact",
        "list_contacts": "get_contacts list_all_contacts all_contacts",
        "search_contacts": "find_contacts search_contact query_contacts filter_contacts search find count_contacts",
        "describe_account": "account_info get_account list_tags get_tags list_members get_team account_summary stats",
        "find_duplicates": "list_duplicates get_duplicates find_doubles duplicates dedupe deduplicate",
        "merge_contacts": "merge_contact merge combine_contacts join_contacts",
        "list_contact_fields": "list_fields get_fields list_custom_fields get_custom_fields get_contact_fields "
        "list_contact_field",
        "list_changes": "get_changes list_history get_history recent_changes change_history",
        "import_contacts": "import_file import_csv bulk_import bulk_create_contacts create_contacts add_contacts "
        "upload_contacts import_list",
        "update_contacts": "bulk_update bulk_update_contacts update_many_contacts tag_contacts batch_update_contacts",
        "export_contacts": "export_csv export_file export_to_csv download_contacts export backup_contacts",
        "import_status": "get_import_status import_progress list_imports job_status",
        "undo_change": "undo undo_last_change revert_change restore_contact",
    }.items()
    for old in all_old.split()
}

# A guess can mean several. Those count that the tool has.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    old: tuple(new.split())
    for new, all_old in {
        "contact_id change_id": "id uuid",
        "contact_id": "contact person who",
        "phone new_phone": "mobile cell number phone_number mobile_phone telephone tel msisdn",
        "phone email contact_id": "lookup identifier key",
        "first last": "full_name",
        "first last name": "name contact_name",
        "first": "first_name given_name forename",
        "last": "last_name family_name surname",
        "email": "mail e_mail email_address",
        "custom_fields": "fields custom attributes properties metadata custom_values",
        "avatar": "photo picture image avatar_url",
        "assignee": "owner agent assigned_to assignee_id assigned_user_id user",
        "tags tag add_tags": "label labels group groups tag_names",
        "tag": "tags",
        "add_tags tags": "tag",
        "is_opted_out": "opted_out opt_out unsubscribed unsubscribe do_not_text subscribed",
        "if_exists existing replace_custom_fields": "overwrite upsert on_conflict",
        "existing": "if_exists on_existing on_duplicate",
        "confirm_token": "confirm token confirmation confirmed",
        "name query": "query q search text",
        "limit": "page_size per_page count max max_results top",
        "cursor": "page page_token next_cursor next offset",
        "updated_after": "since date",
        "detail": "verbosity verbose full",
        "clear": "unset empty blank",
        "path file": "file path filename file_path",
        "text": "csv table data rows content",
        "where": "filters filter",
        "contact_ids others contact_id": "ids contacts",
        "columns": "mapping column_mapping",
    }.items()
    for old in all_old.split()
}

_NOTES = (
    "note notes comment comments remark remarks",
    "A contact's notes can be read here, not written. A custom field of that name goes into custom_fields.",
)

# Names that are taken for a parameter, because they cannot mean anything else: by tool.
ACCEPTED: Mapping[str, Mapping[str, str]] = {
    "search_contacts": {"tags": "tag", "is_opted_out": "opted_out", "name": "query"}
}

# Parameters that moved to another tool, which answers a call that has them: by tool.
MOVED: Mapping[str, tuple[str, frozenset[str]]] = {
    "list_contacts": (
        "search_contacts",
        frozenset(
            [
                *(
                    "query",
                    "name",
                    "tag",
                    "tags",
                    "assignee",
                    "custom_fields",
                    "is_opted_out",
                    "opted_out",
                    "has_email",
                ),
                *("area_code", "country", "sort", "created_after", "created_before", "updated_after", "updated_before"),
            ]
        ),
    )
}

# Filters of the search, which tools for many contacts take in `where`. The second ones may be the change itself.
_FILTERS = frozenset(
    [
        *("tag", "opted_out", "has_email", "area_code", "country"),
        *("created_after", "created_before", "updated_after", "updated_before"),
    ]
)
_FILTERS_OR_CHANGES = frozenset(["tags", "assignee", "custom_fields", "is_opted_out"])
_INTO_WHERE = 'Filters go into where, as {"tag": "VIP", "Plan": "Gold"}.'
_NAMES = "first last display_name first_name last_name full_name"
_TRIAL = (
    "dry_run preview simulate test validate_only",
    "The first call only answers the plan, so leave this out.",
)

_ORDERS = frozenset(
    "sort sort_by sorting order order_by ordering sort_order direction".split()  # noqa: SIM905 -- a list of words
)
ORDERED: Mapping[str, str] = {
    "list_contacts": "Contacts always come last changed first. search_contacts has sort.",
    "list_changes": "Changes always come newest first.",
    "list_contact_fields": "Fields come in the order of Heymarket.",
}

_DETAILS = frozenset("detail details verbosity verbose full fields include".split())  # noqa: SIM905 -- as above
WHOLE = ("lookup_contact", "describe_account")  # tools that always show everything

# Values that a parameter does not take, and the next step: by tool and parameter.
VALUES: Mapping[tuple[str, str], tuple[frozenset[str], str]] = {
    ("create_contact", "if_exists"): (
        frozenset(["update", "overwrite", "upsert", "replace", "merge", "patch", "edit"]),
        "To overwrite values of a contact that exists, use update_contact. fill only sets empty fields.",
    ),
}

_NULLS = dict.fromkeys(("search_contacts", "export_contacts"), 'For contacts without a value give "".')

# The tools that answer the numbers which a parameter takes.
SOURCES: Mapping[str, str] = {
    **dict.fromkeys(
        ("contact_id", "contact_ids", "keep", "others"), "lookup_contact and search_contacts answer ids of contacts."
    ),
    "change_id": "list_changes answers the numbers of changes.",
}

# Parameters that a tool does not take because another one does: by tool, the names and the advice.
ELSEWHERE: Mapping[str, tuple[frozenset[str], str]] = {
    tool: (frozenset(names.split()), sentence)
    for tool, (names, sentence) in {
        "create_contact": _NOTES,
        "update_contact": _NOTES,
        "lookup_contact": (
            "first last display_name full_name query search tag tags assignee custom_fields",
            "To find people by parts of a name, tag, field or date use search_contacts.",
        ),
        "list_contacts": (
            "phone phone_number number mobile email contact_id id",
            "To look up a phone, e-mail or id use lookup_contact.",
        ),
        "import_contacts": _TRIAL,
        "update_contacts": _TRIAL,
        "search_contacts": (
            f"phone phone_number number mobile email contact_id id {_NAMES}",
            "Put a name, a phone or an e-mail, whole or in part, into query. For an id use lookup_contact.",
        ),
    }.items()
}


def successor(tool: str, given: Iterable[str]) -> str:
    """The tool that answers a call of `tool` with these parameters, "" where it is `tool` itself."""
    if tool not in MOVED:
        return ""
    other, moved = MOVED[tool]
    return other if any(_folded(name) in moved for name in given) else ""


def right_tools(name: str, enabled: Collection[str]) -> list[str]:
    """The enabled tools that `name` may have meant, best first.

    Clients put the server's name before a tool's, and models copy that.
    """
    bare = _folded(name.rpartition("__")[2])
    meant = TOOLS.get(bare, bare)
    return [meant] if meant in enabled else get_close_matches(bare, enabled, n=3, cutoff=0.6)


def right_parameters(tool: str, name: str, known: Collection[str]) -> list[str]:
    """The parameters that `name` may have meant, best first. A parameter of another tool means none of them."""
    folded = _folded(name)
    if folded in known:
        return [folded]
    if "where" in known and folded in _FILTERS:
        return ["where"]
    renamed = [meant for meant in PARAMETERS.get(folded, ()) if meant in known]
    if renamed or _advice_elsewhere(tool, name):
        return renamed
    if "where" in known and folded in _FILTERS_OR_CHANGES:
        return ["where"]
    return get_close_matches(folded, known, n=3, cutoff=0.6)


def advice(tool: str, name: str, known: Collection[str]) -> str:
    """The next step for a caller who gave `tool` the parameter `name`, which it does not have."""
    meant = right_parameters(tool, name, known)
    if meant == ["where"] and _folded(name) in _FILTERS | _FILTERS_OR_CHANGES:
        return _INTO_WHERE
    if meant:
        return f"Did you mean {' or '.join(meant)}?"
    if elsewhere := _advice_elsewhere(tool, name):
        return elsewhere
    custom = " A custom field goes into custom_fields, by its name." if "custom_fields" in known else ""
    return f"Known: {', '.join(known)}.{custom}" if known else f"{tool} takes no arguments."


def advice_on_value(tool: str, name: str, value: object) -> str:
    """The next step for a caller who gave the parameter `name` of `tool` a value it does not take. "" without one."""
    values, sentence = VALUES.get((tool, name), (frozenset[str](), ""))
    if isinstance(value, Mapping) and None in value.values():
        return _NULLS.get(tool, "To empty a field, name it in clear. To keep its value, leave the field out.")
    is_known = isinstance(value, str) and _folded(value) in values
    return sentence if is_known else SOURCES.get(name.partition(".")[0], "")


def _advice_elsewhere(tool: str, name: str) -> str:
    folded = _folded(name)
    if _ORDERS & {folded, *folded.split("_")} and tool in ORDERED:
        return ORDERED[tool]
    if folded in _DETAILS and tool in WHOLE:
        return f"{tool} always shows everything, so leave this out."
    names, sentence = ELSEWHERE.get(tool, (frozenset[str](), ""))
    return sentence if folded in names else ""
