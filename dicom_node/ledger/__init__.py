"""The ledger: what is known of each study, and whose turn it is. The truth of the node."""
