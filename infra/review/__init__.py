"""The review of a plan: what a change does to a running system, told without that system.

``trees``
    The two trees that are compared, base and head, each synthesised by its own code.
``planning``
    The head's plan against a synthetic state of the base (offline), or against the real one.
``synthetic``
    A state made of a plan: what Terraform would know, had the plan been applied.
``access``, ``blast``, ``cost``, ``holders``
    What a change means: rights, what depends on it, money, data.
``model``
    The review as data; ``markdown``, ``svg`` and its JSON form are written from it alone.
"""
