"""
What we say to customers and what they answer.

Configuration is edited by the merchant; every message, run and answer is a fact with its own row.
"""
