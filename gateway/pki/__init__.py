"""The gateway's keys and certificates in the Smart Metering PKI: keys in the module, preparation, what is held."""
