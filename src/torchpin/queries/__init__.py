"""Questions about descriptions, locks and results: diff, why, support, outdated, vulnerabilities, explain."""
