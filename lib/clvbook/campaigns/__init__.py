"""Did a campaign pay, and how sure is that: attribution, verdicts, effects against a holdout, planning."""
