"""The posture of the estate: pure functions over summaries of scopes and region status."""
