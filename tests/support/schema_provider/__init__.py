"""Providers for Terraform that have a schema and nothing else, for clouds whose provider can't be had everywhere.

`bindings` takes the schema from a package and keeps it in ``schemas/``, `provider` is what Terraform starts, `mirror`
lays it where Terraform finds it. docs/schema-provider.md says what that proves and what it does not.
"""
