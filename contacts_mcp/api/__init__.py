"""The wire: the only HTTP in the package. Ids and E.164 digits in, models out; no human name is known here."""
