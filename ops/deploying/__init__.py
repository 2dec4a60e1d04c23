"""Blue-green deploys: `ops/deploy`. How and why: ops/adr/0037-two-colours.md."""
