"""The consumer's machine interface at the HAN (IF_GW_CON): HTTPS, one JSON object a request, for programs.

Two addresses: ``/smgw/m2m`` says where the authenticated consumer's own is, ``/smgw/m2m/<userid>/json`` takes requests.
The dialect is the one a shipped gateway publishes, so that its clients work here unchanged. What the consumer may see
comes through the protocols of :mod:`gateway.han.data`; the gate is asked for each request.
On the same port :mod:`gateway.han.page` shows people what programs get here.
"""
