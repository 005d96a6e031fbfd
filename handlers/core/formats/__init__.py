"""What lies in a store of artifacts, and how it is read again: manifests, receipts, packing, moments of the oplog."""
