"""What every sync shares: selection, fan-out, deadlines, outcomes, recording and the report."""
