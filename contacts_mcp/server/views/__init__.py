"""From the address book's values to answers: the only place that words results for people and models."""
