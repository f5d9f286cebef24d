"""The wire: the only HTTP in the package. Ids and E.164 digits go in, models come out. No human name is known here."""
