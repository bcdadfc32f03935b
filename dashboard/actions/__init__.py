"""An operator's changes of the deployment by hand: roll-outs, the autoscaler's settings, the deletion of a pod."""
