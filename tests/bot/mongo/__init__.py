"""The MongoDB adapter, against a real mongod and the real tools."""
