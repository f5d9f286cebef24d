"""Many contacts at once: files in, decisions row by row. Everything here is pure but `files`.

A file becomes rows (`sources`), columns become fields (`mapping`), texts become values (`cells`), and a row with the
contacts of the account becomes one decision (`deciding`).
"""
