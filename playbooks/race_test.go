//go:build race

package playbooks

// slowness is how much longer the race detector makes everything take.
const slowness = 20
