"""The administrator (GWA): :class:`stations.administrator.station.Administrator`."""

from stations.administrator.disturbances import Condition
from stations.administrator.issued import AdministrationError, Looked, Standing
from stations.administrator.revocation import Revocation
from stations.administrator.station import Administrator, Renewal

__all__ = ["AdministrationError", "Administrator", "Condition", "Looked", "Renewal", "Revocation", "Standing"]
