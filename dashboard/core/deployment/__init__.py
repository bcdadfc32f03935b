"""The service's Deployment: its pod template, its revisions and its roll-outs."""
