"""The command line: every command parses, calls documented functions of landscape, and prints."""
