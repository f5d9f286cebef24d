"""Many contacts at once: files in, decisions row by row. Everything here is pure but `files`.

A file becomes rows (`sources`). Columns become fields (`mapping`), texts become values (`cells`, `reading`). A row and
the contacts of the account become one decision (`deciding`).
"""
