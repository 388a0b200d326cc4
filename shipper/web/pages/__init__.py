"""Pages for people: how the agent is, search, timelines, the live tail, the quarantine. They only show.

`pages` answers; what it shows is decided by the pure `overview`, `entries`, `traced`, `refused`, `asked` and `chart`;
`finding` asks the store within bounds, and `render` writes HTML in which nothing of a log is more than text.
"""
