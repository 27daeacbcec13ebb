"""Following the ledgers of many projects into one: what TokenSyncService does in each round."""
