"""Tariffing (Tarifierung): rule sets by evaluation profile, one module a Tarifanwendungsfall.

From original readings to derived ones. Amounts are integers in the meter's unit and scaler; every derived value names
the original readings that it is the difference of, so that a period's registers always sum to what the meter counted.
"""
