"""The story: from a failed login to the alert in Slack, on one machine."""
