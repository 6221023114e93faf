"""How a finding says what it saw, and that it is no longer so."""


def seen(what: str, value: object, as_found: object) -> None:
    """Print `value`; end with status 1 if it is not what was found when the script was written."""
    print(f"seen:     {what}: {value}", flush=True)
    if value != as_found:
        message = f"changed:  {what}: found before was {as_found}"
        raise SystemExit(message)
