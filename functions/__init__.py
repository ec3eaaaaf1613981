"""The Lambda functions of Postroom, one package each, and the two packages they share: `common` and `channels`."""
