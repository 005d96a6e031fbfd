"""What every handler says and counts with: texts, cards, answers, jobs, errors, digests, the audit event."""
