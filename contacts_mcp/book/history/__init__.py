"""The changes made here, and taking them back."""
