"""Pages for people: overview, search, timelines, live tail, quarantine. They are read-only.

`routes` handles requests; the pure modules `overview`, `event_rows`, `timeline_view`, `quarantine_view`, `search_form`
and `chart` build the views; `bounded_search` queries the store within limits; `render` writes HTML in which log data is
always escaped text.
"""
