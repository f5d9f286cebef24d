"""Text in, text out: strangers' text made safe, names, phones. Everything here is pure."""
