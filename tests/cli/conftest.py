from tests.cli.commands import fake  # noqa: F401  (a fixture)
