//go:build !race

package playbooks

// slowness is how much longer than built everything takes here.
const slowness = 1
