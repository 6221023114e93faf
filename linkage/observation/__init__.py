"""What linkage tells those who watch it: figures for Prometheus, health for a load balancer."""
