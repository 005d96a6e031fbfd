"""A local S3 for the tests: moto in a child process, behind a gate that is as strict as AWS where moto is too kind."""

from sandbox.aws.server import Aws, Fault

__all__ = ["Aws", "Fault"]
