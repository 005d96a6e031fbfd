"""Mutation testing of the gate, the policy and the audit record: `make mutation`."""
