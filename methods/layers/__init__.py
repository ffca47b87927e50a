"""Blocks that two or more methods really share."""
