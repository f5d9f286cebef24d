"""Files and pasted texts as rows: a module a format, each yields `(line, {header: text})` as `Record`s."""
