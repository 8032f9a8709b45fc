"""Where records are kept: one repository over SQLAlchemy, with SQLite for a device and PostgreSQL for a fleet."""
