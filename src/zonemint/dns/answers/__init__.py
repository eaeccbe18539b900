"""Answers: what the zones say to a question, and the bytes that say it."""
