"""Invalid: a value that a configuration cannot have, with the fix beside the reason."""


class Invalid(ValueError):
    """Reason and fix in two fields, since a sentence cannot be cut apart again: either may hold any sign."""

    def __init__(self, what: str, hint: str) -> None:
        """`what` names the value and what is wrong with it; `hint` is the next step, as an instruction."""
        super().__init__(what, hint)
        self.what, self.hint = what, hint

    def __str__(self) -> str:
        """Both in one line, for whoever shows a ValueError."""
        return f"{self.what}; {self.hint}"
