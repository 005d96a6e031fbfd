"""A local AWS for the tests: moto in child processes, behind gates that are as strict as AWS where moto is too kind."""

from sandbox.aws.account import AwsAccount
from sandbox.aws.server import Aws, Fault

__all__ = ["Aws", "AwsAccount", "Fault"]
