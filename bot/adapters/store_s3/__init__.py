"""A bucket of S3 as artifact store: the only door to boto3."""

from bot.adapters.store_s3.store import S3Store

__all__ = ["S3Store"]
