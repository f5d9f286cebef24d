"""Many contacts at once: a file, a table or one change becomes a plan, and a confirmed plan becomes changes.

| step | modules |
|---|---|
| a file is opened, and its format is found | `files`, `opening`, `limits`, `sources` |
| its columns become fields of a contact | `headers`, `columns`, `neighbours`, `mapping` |
| the texts of a row become values | `cells`, `full_names`, `phone_choice`, `day_order`, `reading` |
| rows become edits, rows of one phone are told apart | `wishes`, `twins` |
| an edit and the contacts that it meets become a decision | `looking`, `deciding` |
| decisions become a stored plan | `planning` of a file, `many` of one change, `undoing` of a run |
| the plan is told and confirmed | `report`, `confirming` |
| the plan runs, and the rest of the rows can be corrected | `running`, `judging`, `verdicts`, `outcomes`, `problems` |
| the other way: contacts become a file | `where`, `export`, `formats`, `own`, `own_cards` |

The first four steps need no account, and only `files` touches the disk in them. `deciding` is pure.
"""
