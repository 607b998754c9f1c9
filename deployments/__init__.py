"""What runs: the table of operations, the runner, the engines, the gateway and the replicas."""
