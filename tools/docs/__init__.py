"""Files that are made from the code: run a module here to write them; a test fails where one is stale."""
