"""The one way anything is written, and the sentences about it."""
