"""What operators do with what is kept: find it, check it, bring it back, hand it out. The commands in `infra.cli` are thin over this.

It reads the archive by its ledger in the table (a part that is not committed does not exist) and believes no part before its checksum.
"""
