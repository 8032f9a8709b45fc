"""The three logs: system log (System-Log), calibration log (Eichlog), consumer logs (Anschlussnutzer-Logs)."""
