"""Invalid: an error for an invalid configuration value, with its fix as a separate field."""


class Invalid(ValueError):
    """An invalid value. Reason and fix are two fields, since either may contain any character."""

    def __init__(self, what: str, hint: str) -> None:
        """`what` names the value and the problem; `hint` is the next step, as an instruction."""
        super().__init__(what, hint)
        self.what, self.hint = what, hint

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.what}; {self.hint}"
