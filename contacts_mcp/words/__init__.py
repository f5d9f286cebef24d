"""Text in, text out: phones, e-mails, dates, numbers and names as people write them, text made safe. All is pure."""
