"""Supply chain: a bill of materials, and an audit of it against known vulnerabilities."""
