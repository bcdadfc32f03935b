"""The dashboard's pure core: no clock, threads or network; it imports the standard library and msgspec only."""
