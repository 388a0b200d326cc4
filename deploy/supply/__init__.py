"""What the project is made of: a bill of materials, and an audit of it against known vulnerabilities."""
