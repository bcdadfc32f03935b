"""What the application is made of, with a cluster (`cluster`) or simulated (`mock`)."""
