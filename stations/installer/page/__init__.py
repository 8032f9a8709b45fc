"""The installer's page: the steps of one gateway after the other, for a phone held in one hand."""
