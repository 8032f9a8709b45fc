"""The module's commands, by what they are about; :mod:`securitymodule.card.dispatcher` says which is which.

Every command asks first whether it may (:meth:`securitymodule.card.context.Context.require`), then checks what it was
given, then makes its change durable, and answers last.
"""
