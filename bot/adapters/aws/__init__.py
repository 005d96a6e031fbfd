"""What is asked of AWS beside S3: Secrets Manager, access keys, the credential report."""
