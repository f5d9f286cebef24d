"""Getting in: assistants' files, the check-up, one tool call from the shell."""
