"""What an operator does to the deployment by hand: roll-outs, the autoscaler's settings, the deletion of a pod."""
