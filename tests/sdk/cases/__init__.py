"""The cases, by what is called."""
