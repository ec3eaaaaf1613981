"""Signature schemes and containers that several platforms share. Each compares secrets in constant time and never raises."""
