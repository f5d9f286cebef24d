"""Keep the contacts of a Heymarket account from any chat assistant."""

__version__ = "0.1.0"
