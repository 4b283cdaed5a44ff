"""The referee: laws of samples, evidence, findings and verdicts, routes and the report."""
