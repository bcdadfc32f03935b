"""What the demos share that disrupt the service's pods, under load and under writers: it is no demo itself."""
