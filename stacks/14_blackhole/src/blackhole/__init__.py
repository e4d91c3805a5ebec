"""What 14_blackhole has beside its Terraform: the clients of its drill."""
