"""One contact at a time: find, create, update, delete."""
